"""The live line that shows progress."""

from musegen.cli.counter import Counter


def test_each_phase_has_a_line_of_its_own():
    with Counter() as counter:
        first, second = counter.phase("reading", "primers"), counter.phase("composing", "pieces")
        first(0, 2)
        first(2, 2)
        second(5, 8)
        second(6, 8)
        (task,) = counter.tasks
    assert (task.description, task.completed, task.total) == ("composing", 6, 8)
    assert task.fields["items"] == "pieces"


def test_what_was_done_before_does_not_count_for_the_speed():
    with Counter() as counter:
        shown = counter.phase("composing", "pieces")
        shown(5, 8)
        shown(5, 8)
        assert counter.tasks[0].fields["rate"] == ""
        shown(6, 8)
        assert counter.tasks[0].fields["rate"].endswith("/s")


def test_nothing_is_printed_where_there_is_no_terminal(capsys):
    with Counter() as counter:
        counter.phase("reading")(1, 2)
    assert capsys.readouterr() == ("", "")
