import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.prometheus import DEPLOY, exported_names, metric_names, promtool

# Of others: Triton's guide, "Metrics"; etc/*.csv of github.com/NVIDIA/dcgm-exporter.
OF_TRITON: Final = {
    "nv_gpu_memory_total_bytes",
    "nv_gpu_memory_used_bytes",
    "nv_gpu_power_limit",
    "nv_gpu_power_usage",
    "nv_gpu_utilization",
    "nv_inference_compute_infer_duration_us",
    "nv_inference_count",
    "nv_inference_pending_request_count",
    "nv_inference_queue_duration_us",
}
OF_DCGM: Final = {"DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_XID_ERRORS"}
SUBJECTS: Final = {
    "stenod_queue_oldest_age_seconds",
    "stenod_engines",
    "stenod_real_time_factor",
    "stenod_stage_seconds_bucket",
    "stenod_jobs_ended_total",
    "stenod_triton_up",
    "stenod_eval_wer_ratio",
    *OF_TRITON,
    *OF_DCGM,
}


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana" / "stenod.json").read_text())
    return found


def _expressions() -> Iterator[str]:
    """As Prometheus gets them: with what Grafana puts in for its variables."""
    for panel in _dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "5m").replace("$job", ".*")


def test_it_is_a_dashboard_whose_panels_do_not_lie_on_each_other() -> None:
    dashboard = _dashboard()
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= dashboard.keys()
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 20
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["targets"], panel["title"]
    assert variables == {"datasource", "job"}


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(_expressions())]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    checked = promtool("check", "rules", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


def test_it_shows_metrics_that_exist_and_what_an_operator_asks_for() -> None:
    shown = {name for expression in _expressions() for name in metric_names(expression)}
    pushed = {name for name in shown if name.startswith("stenod_eval_")}  # by `stenod eval`
    assert shown - pushed - OF_TRITON - OF_DCGM - exported_names() == set()
    assert shown >= SUBJECTS
