//! The kinds of objects that the stand-in holds, and what their requests are.

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `batch/v1` Job.
    Job,
    /// `v1` Pod.
    Pod,
    /// `v1` Event.
    Event,
    /// `v1` ConfigMap.
    ConfigMap,
    /// `v1` ResourceQuota.
    ResourceQuota,
    /// `coordination.k8s.io/v1` Lease.
    Lease,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        Self::Job,
        Self::Pod,
        Self::Event,
        Self::ConfigMap,
        Self::ResourceQuota,
        Self::Lease,
    ];

    /// As in `kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::Pod => "Pod",
            Self::Event => "Event",
            Self::ConfigMap => "ConfigMap",
            Self::ResourceQuota => "ResourceQuota",
            Self::Lease => "Lease",
        }
    }

    /// As in `apiVersion`.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Job => "batch/v1",
            Self::Pod | Self::Event | Self::ConfigMap | Self::ResourceQuota => "v1",
            Self::Lease => "coordination.k8s.io/v1",
        }
    }

    /// As in paths.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Job => "jobs",
            Self::Pod => "pods",
            Self::Event => "events",
            Self::ConfigMap => "configmaps",
            Self::ResourceQuota => "resourcequotas",
            Self::Lease => "leases",
        }
    }

    /// As in messages.
    pub(super) const fn qualified(self) -> &'static str {
        match self {
            Self::Job => "jobs.batch",
            Self::Lease => "leases.coordination.k8s.io",
            Self::Pod | Self::Event | Self::ConfigMap | Self::ResourceQuota => self.plural(),
        }
    }

    /// The fields that a server knows to select by (pkg/apis/*/v1/conversion.go), as far as their value is
    /// text in the object; by others it refuses.
    pub(super) const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Job | Self::ConfigMap | Self::ResourceQuota | Self::Lease => {
                &["metadata.name", "metadata.namespace"]
            }
            Self::Pod => &[
                "metadata.name",
                "metadata.namespace",
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "status.phase",
                "status.podIP",
                "status.nominatedNodeName",
            ],
            Self::Event => &[
                "metadata.name",
                "metadata.namespace",
                "involvedObject.kind",
                "involvedObject.namespace",
                "involvedObject.name",
                "involvedObject.uid",
                "involvedObject.apiVersion",
                "involvedObject.resourceVersion",
                "involvedObject.fieldPath",
                "reason",
                "reportingComponent",
                "type",
            ],
        }
    }
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Lists objects of a kind.
    List,
    /// Watches objects of a kind.
    Watch,
    /// Reads the log of a container of a pod.
    Log,
    /// Lists or watches; no request is this.
    Both,
    /// Anything else.
    Other,
}

impl Route {
    /// Whether a request that does `other` is meant.
    pub(super) fn covers(self, other: Self) -> bool {
        self == other || self == Self::Both && matches!(other, Self::List | Self::Watch)
    }
}
