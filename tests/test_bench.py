"""The bench runs every side in both dtypes and agrees, token for token, where it must."""

from pathlib import Path

from prefix_core.bench import bench, table


def test_every_figure_is_there_and_fp32_outputs_are_equal(tiny_folder: Path) -> None:
    result = bench(str(tiny_folder), seconds=0.2)
    assert result["greedy_agreement"]["fp32"] == 1.0 and 0 <= result["greedy_agreement"]["bf16"] <= 1
    for dtype in ("fp32", "bf16"):
        ours = result["prefix_core"][dtype]
        assert ours["training_tokens_per_second"] > 0 and ours["peak_megabytes"] > 50
        assert all(ours[f"milliseconds_per_token_{rows}"] > 0 for rows in (1, 8))
        assert result["peft"][dtype]["training_tokens_per_second"] > 0
    assert len(result["times_faster"]) == 8
    assert "against PEFT" in table(result)
