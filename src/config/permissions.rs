//! Permissions, and access roles as named sets of permissions.

use std::str::FromStr;

/// Permission for a group of methods.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Permission {
    /// Screen addresses and payments, trace, and read snapshot records.
    Screen,
    /// Read lists, parties, policies, and the state of transfers.
    Read,
    /// Import a file as a version of a list that is not guarded ([`Permission::ImportGuardedLists`]).
    ImportLists,
    /// Import any list, also one with a configured source, or a required one of kind SANCTIONS.
    ImportGuardedLists,
    /// Override the gates of an import.
    ForceGates,
    /// Declare an imported file to be a check of the list's source.
    DeclareLooks,
    /// Read a list's configured source now.
    RefreshLists,
    SendTransfers,
    /// Declare blocks to be complete without transfers.
    DeclareCoverage,
    RetractTransfers,
    SettleConflicts,
    /// Reload the policy files.
    ReloadPolicy,
    /// Screen many addresses by two policies.
    ComparePolicies,
    BackUpStore,
    /// Read the decision log, its proofs and replays.
    ReadLog,
    /// Redact records of the decision log, put them on hold, and rotate its key.
    AdministerLog,
}

impl Permission {
    pub const ALL: [Self; 16] = [
        Self::Screen,
        Self::Read,
        Self::ImportLists,
        Self::ImportGuardedLists,
        Self::ForceGates,
        Self::DeclareLooks,
        Self::RefreshLists,
        Self::SendTransfers,
        Self::DeclareCoverage,
        Self::RetractTransfers,
        Self::SettleConflicts,
        Self::ReloadPolicy,
        Self::ComparePolicies,
        Self::BackUpStore,
        Self::ReadLog,
        Self::AdministerLog,
    ];

    /// Returns the name in configurations and messages.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|permission| permission.as_str() == text);
        found.ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|permission| permission.as_str()).collect();
            format!("unknown permission {text:?}; use {}", known.join(", "))
        })
    }
}

/// A named set of permissions.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum AccessRole {
    /// Screen, and read lists, policies, transfer heads and snapshots.
    Screen,
    /// Also import and refresh lists and send transfers, which changes answers.
    Ingest,
    /// Read the decision log, and nothing else.
    Audit,
    /// All permissions: also guarded lists, gates, declared checks, retractions, policies and backups.
    Admin,
}

impl AccessRole {
    /// Returns the name in configurations and messages.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    pub fn permissions(self) -> &'static [Permission] {
        const SCREEN: [Permission; 2] = [Permission::Screen, Permission::Read];
        const INGEST: [Permission; 6] = [
            Permission::Screen,
            Permission::Read,
            Permission::ImportLists,
            Permission::RefreshLists,
            Permission::SendTransfers,
            Permission::DeclareCoverage,
        ];
        match self {
            Self::Screen => &SCREEN,
            Self::Ingest => &INGEST,
            Self::Audit => &[Permission::ReadLog],
            Self::Admin => &Permission::ALL,
        }
    }
}

impl FromStr for AccessRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let roles = [Self::Screen, Self::Ingest, Self::Audit, Self::Admin];
        let found = roles.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| format!("unknown role {text:?}; use screen, ingest, audit or admin"))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(u32);

impl PermissionSet {
    pub fn all() -> Self {
        Permission::ALL.into_iter().collect()
    }

    pub fn holds(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u32 != 0
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | 1 << permission as u32))
    }
}
