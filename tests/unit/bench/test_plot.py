from bench.plot import costs, machine_line, speeds
from bench.result_file import Figure


def test_the_fastest_comes_first_and_the_bare_loops_are_left_out() -> None:
    found = [
        Figure("peer", "speed", 10.0, "x"),
        Figure("bare loop: the files", "speed", 90.0, "x"),
        Figure("stenod: 16 files at once", "speed", 80.0, "x"),
        Figure("peer", "WER", 4.0, "%"),
    ]
    assert speeds(found) == [("stenod: 16 files at once", 80.0), ("peer", 10.0)]


def test_small_stages_and_negative_rests_go_together() -> None:
    values = {"encoder": 10.0, "decoder": 20.0, "tiny": 0.2, "the rest": -1.2, "all": 29.0}
    found = [Figure(name, "CPU", value, "s") for name, value in values.items()]
    assert costs(found) == [("decoder", 20.0), ("encoder", 10.0), ("others together", -1.0)]


def test_the_machine_is_named_and_said_to_be_busy_where_it_was() -> None:
    machine = {"cpu": "a processor", "cores": 2, "memory_bytes": 2**33, "load": 1.5}
    document = {"machine": machine, "about": {"recordings": 107, "audio_s": 900.0}}
    assert machine_line(document) == (
        "a processor, 2 cores, 8 GiB, not quiet; 107 recordings, 15 min of English speech"
    )
