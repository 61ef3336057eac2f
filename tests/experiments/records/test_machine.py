"""On which machines, and with which commits, figures were taken."""

from hardattn.experiments.records.machine import by_machine


def test_a_machine_is_named_once_for_all_its_commits() -> None:
    made = ["b2 on EPYC, 2 cores", "a1 on EPYC, 2 cores", "c3 on Xeon", "b2 on EPYC, 2 cores"]
    assert by_machine(made) == "commits a1, b2 on EPYC, 2 cores; commit c3 on Xeon"
