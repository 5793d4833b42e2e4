from pathlib import Path

import pytest

from stenod_server.engine.processes import PidRecord, is_ours

SERVER_ID = "stenod-0123456789abcdef"


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (["/x/tritonserver", f"--id={SERVER_ID}", "--other"], True),
        (["/x/triton_python_backend_stub", "/m/1/model.py", f"{SERVER_ID}b0c1-d2", "1048576"], True),
        (["/x/tritonserver", "--id=stenod-ffffffffffffffff"], False),
        (["/x/triton_python_backend_stub", "/m/1/model.py", "other-region"], False),
        (["/bin/grep", f"--id={SERVER_ID}"], False),
        (["/x/tritonserver"], False),
        ([], False),
    ],
)
def test_only_processes_of_that_start_are_ours(command: list[str], ours: bool) -> None:  # noqa: FBT001
    assert is_ours(command, SERVER_ID) is ours


def test_no_id_is_nobodys() -> None:
    assert not is_ours(["/x/tritonserver", "--id=stenod-0123456789abcdef"], "")
    assert not is_ours(["/x/tritonserver", "--id=stenod-0123456789abcdef"], "stenod-")


def test_a_record_survives_the_file(tmp_path: Path) -> None:
    record = PidRecord(12, SERVER_ID)
    record.write(tmp_path / "pid")
    assert PidRecord.read(tmp_path / "pid") == record


@pytest.mark.parametrize("text", ["", "{", "[]", "12", '{"pid": 12}', '{"pid": 12, "server_id": "stenod-"}'])
def test_a_torn_record_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert PidRecord.read(tmp_path / "pid") is None
    assert PidRecord.read(tmp_path / "absent") is None
