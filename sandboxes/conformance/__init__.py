"""The conformance suite: checks that every sandbox must pass.

    for check in conformance.CHECKS:
        check(sandbox, environment)

and, of a sandbox that has sessions, `SESSION_CHECKS` too. A check raises AssertionError if the sandbox fails it. The
environment's repository must have been created by `prepare_repository`, and it needs `python`, `bash` and `git`. Checks
take up to about ten seconds each.
"""

from __future__ import annotations

from collections.abc import Callable

from sandboxes.base import Environment, Sandbox
from sandboxes.conformance import isolation, limits, outcomes, sessions, shared
from sandboxes.conformance.common import prepare_repository, processes_with
from sandboxes.sessions import SessionSandbox

__all__ = ["CHECKS", "SESSION_CHECKS", "Check", "SessionCheck", "prepare_repository", "processes_with"]

Check = Callable[[Sandbox, Environment], None]
SessionCheck = Callable[[SessionSandbox, Environment], None]

CHECKS: tuple[Check, ...] = (
    outcomes.exit_codes_are_faithful,
    outcomes.signals_are_told_from_exits,
    outcomes.a_missing_command_is_an_exit,
    outcomes.both_streams_come_in_order,
    outcomes.invalid_utf8_is_replaced,
    outcomes.a_forged_verdict_is_output,
    outcomes.a_name_with_a_folder_is_refused,
    outcomes.what_cannot_be_run_is_told,
    limits.timeout_ends_every_process,
    limits.only_the_clock_times_out,
    limits.a_stopped_helper_does_not_stretch_the_time,
    limits.a_process_left_behind_does_not_block,
    limits.memory_is_limited,
    limits.memory_is_limited_in_total,
    limits.memory_of_files_without_a_name_is_limited,
    limits.memory_of_sockets_is_limited,
    limits.a_fork_bomb_is_limited,
    limits.a_fork_bomb_goes_off_alone,
    limits.the_last_output_is_kept,
    limits.a_flood_of_output_is_stopped,
    limits.the_disk_is_limited,
    limits.the_disk_is_limited_in_total,
    isolation.nothing_survives,
    isolation.there_is_no_network,
    isolation.the_host_is_hidden,
    isolation.no_key_is_found,
    isolation.git_knows_the_base_only,
    isolation.the_script_is_out_of_reach,
    outcomes.variables_and_activation_arrive,
    outcomes.a_patch_is_applied,
    outcomes.a_patch_keeps_bytes,
    outcomes.a_binary_patch_is_applied,
    outcomes.a_refused_patch_runs_nothing,
    outcomes.an_empty_patch_is_none,
    isolation.runs_do_not_see_each_other,
    isolation.many_at_once_do_not_meet,
    shared.no_key_of_the_kernel_is_found,
    shared.no_lock_is_shared,
    shared.terminals_are_limited,
)

SESSION_CHECKS: tuple[SessionCheck, ...] = (
    sessions.files_persist_and_processes_do_not,
    sessions.what_holds_of_a_run_holds_of_a_command,
    sessions.limits_hold_for_each_command,
    sessions.a_snapshot_restores_and_forks,
    sessions.nothing_changed_is_an_equal_layer,
    sessions.files_are_read_and_written,
    sessions.the_diff_is_exact,
    sessions.the_diff_does_not_rest_on_what_git_was_told,
    sessions.a_repository_that_was_removed_comes_back,
    sessions.what_is_too_much_is_dropped,
    sessions.many_sessions_do_not_meet,
)
