//! What the cluster's words for states and reasons mean for a step.

/// What a state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits; also for another go after a failure of the cluster's.
    Pending,
    /// It has a node.
    Running,
    /// It is over. What became of the step its record says, not this.
    Over(End),
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, and well: that says nothing of the step.
    Ended,
    /// By itself, and not well: what guards the step did not come to its end.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its time was up.
    TimedOut,
    /// It took more memory than it had asked for.
    OutOfMemory,
    /// The cluster took it away: the node failed, or somebody else was more important.
    Lost,
}

/// The meaning of a state. One that is not known means that the job is there.
pub(super) fn phase(state: &str) -> Phase {
    match state {
        "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => {
            Phase::Pending
        }
        "COMPLETED" => Phase::Over(End::Ended),
        "FAILED" => Phase::Over(End::Failed),
        "CANCELLED" => Phase::Over(End::Cancelled),
        "TIMEOUT" | "DEADLINE" => Phase::Over(End::TimedOut),
        "OUT_OF_MEMORY" => Phase::Over(End::OutOfMemory),
        "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" | "REVOKED" => Phase::Over(End::Lost),
        _ => Phase::Running,
    }
}

/// Why a job that waits may wait for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// It asks for what there is not; with what to do about it.
    Never(&'static str),
    /// Somebody holds it.
    Held,
    /// It could not be started, and is held because of that.
    NotLaunched,
}

/// Whether a reason says that a job does not start by itself.
pub(super) fn blocked(reason: &str) -> Option<Blocked> {
    let lower = reason.to_lowercase();
    if lower.contains("launch failed") {
        return Some(Blocked::NotLaunched);
    }
    if lower.starts_with("jobheld") || lower.contains("held state") {
        return Some(Blocked::Held);
    }
    let hint = match reason {
        "PartitionConfig" | "PartitionNodeLimit" => {
            "no node of the partition has what it asks for: lower `cpus`, `memory` or `gpus`, or name another `partition`"
        }
        "PartitionTimeLimit" => {
            "the partition's time limit is lower: lower `time`, or name another `partition`"
        }
        "BadConstraints" => "no node has these features: see `constraint` and `gpu_type`",
        "InvalidAccount" | "AccountNotAllowed" => {
            "see `account`; `sacctmgr show associations user=$USER` lists yours"
        }
        "InvalidQOS" | "QOSNotAllowed" => "see `qos`; `sacctmgr show associations user=$USER` lists yours",
        // Limits on a single job: other jobs that end do not help. (Those on all jobs of somebody do.)
        _ if reason.ends_with("PerJobLimit")
            || reason.ends_with("PerJob")
            || reason.ends_with("MaxMemPerLimit") =>
        {
            "a limit on each job is lower than what it asks for: lower `cpus`, `memory`, `gpus` or `time`"
        }
        _ => return None,
    };
    Some(Blocked::Never(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_from_a_dead_end() {
        for waits in ["Priority", "Resources", "BeginTime", "QOSMaxJobsPerUserLimit", "None", "Dependency"] {
            assert_eq!(blocked(waits), None, "{waits}");
        }
        assert!(matches!(blocked("PartitionConfig"), Some(Blocked::Never(_))));
        assert!(matches!(blocked("QOSMaxCpuPerJobLimit"), Some(Blocked::Never(_))));
        assert_eq!(blocked("launch failed requeued held"), Some(Blocked::NotLaunched));
        assert_eq!(blocked("JobHeldUser"), Some(Blocked::Held));
    }

    #[test]
    fn an_unknown_state_is_no_end() {
        assert_eq!(phase("SOMETHING_NEW"), Phase::Running);
        assert_eq!(phase("PREEMPTED"), Phase::Over(End::Lost));
    }
}
