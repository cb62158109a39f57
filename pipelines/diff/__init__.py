"""The diff: both sides' records, bucket by bucket, without a shuffle.

    diffs/<run_id>/plan.json                        what is compared: snapshot and dump
                   compared/                            the comparison's own differences and accounts, until all are
                                                        judged again
                   differences/bucket=<n>.parquet   one row for each verdict that is no match
                   buckets/bucket=<n>.json          a bucket's account, written once its differences are in place
                   summary.json                     for people and tools
                   manifest.json                    last

`kernel` joins the `sides` of one bucket by `queries`, `verdict` judges a key, `paths` compares two items, `sensitive`
masks, `bucket` does one bucket's work; `suspects`, `judged_bucket` and `again` judge its differences by reading again
(pipelines.judging); `plan` says what is compared, `standing` what it comes to, `run` is the stage.
"""

from pipelines.diff.run import run_diff

__all__ = ["run_diff"]
