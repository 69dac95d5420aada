import os

from launch.process_tree import Process, running_processes, with_descendants


def test_descendants_are_found_through_every_generation():
    root, child, grandchild, stranger = (Process(1, 10, 0), Process(2, 20, 1), Process(3, 30, 2), Process(4, 40, 0))
    assert with_descendants([root], frozenset({child, grandchild, stranger})) == {root, child, grandchild}


def test_a_process_is_the_same_after_its_parent_ended_but_not_after_its_number_was_used_again():
    assert Process(2, 20, parent=1) == Process(2, 20, parent=999)
    assert Process(2, 20, parent=1) != Process(2, 21, parent=1)


def test_this_process_is_running_under_its_parent():
    assert (os.getpid(), os.getppid()) in {(process.pid, process.parent) for process in running_processes()}
