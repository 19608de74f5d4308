//! What an identity may do: permissions, and roles as names of sets of them. Knows no identity.

use std::fmt;
use std::str::FromStr;

/// One thing that may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Screen addresses and payments, trace, and ask what a snapshot id stands for.
    Screen,
    /// Read lists, parties, policies, and what transfers are loaded.
    Read,
    /// Publish a file as a version of a list that needs no more ([`Permission::ImportGuardedLists`]).
    ImportLists,
    /// The same of any list: also of one with a configured source, or required and of kind SANCTIONS.
    ImportGuardedLists,
    /// Override the gates of an import.
    ForceGates,
    /// Declare an imported file to be a look at the list's source.
    DeclareLooks,
    /// Read a list's configured source now.
    RefreshLists,
    SendTransfers,
    /// Declare blocks to be whole of which no transfer comes.
    DeclareCoverage,
    RetractTransfers,
    SettleConflicts,
    /// Read the policy files again.
    ReloadPolicy,
    /// Screen many addresses by two policies.
    ComparePolicies,
    BackUpStore,
}

impl Permission {
    pub const ALL: [Self; 14] = [
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
    ];

    /// The word in configurations and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Screen => "screen",
            Self::Read => "read",
            Self::ImportLists => "import-lists",
            Self::ImportGuardedLists => "import-guarded-lists",
            Self::ForceGates => "force-gates",
            Self::DeclareLooks => "declare-looks",
            Self::RefreshLists => "refresh-lists",
            Self::SendTransfers => "send-transfers",
            Self::DeclareCoverage => "declare-coverage",
            Self::RetractTransfers => "retract-transfers",
            Self::SettleConflicts => "settle-conflicts",
            Self::ReloadPolicy => "reload-policy",
            Self::ComparePolicies => "compare-policies",
            Self::BackUpStore => "back-up-store",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|permission| permission.as_str() == text);
        found.ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|permission| permission.as_str()).collect();
            format!("{text:?} is no permission: {}", known.join(", "))
        })
    }
}

/// A name for a set of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Ask: screenings, and reading lists, policies, heads and snapshots.
    Screen,
    /// Ask, import and refresh lists, send transfers. What is imported changes answers.
    Ingest,
    /// Everything: imports of guarded lists, past the gates and as looks, retractions, policies, backups.
    Admin,
}

impl Role {
    /// The word in configurations and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Screen => "screen",
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
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
            Self::Admin => &Permission::ALL,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let roles = [Self::Screen, Self::Ingest, Self::Admin];
        let found = roles.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no role: screen, ingest or admin"))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(u32);

impl PermissionSet {
    pub fn all() -> Self {
        Permission::ALL.into_iter().collect()
    }

    /// Whether `permission` is among them.
    pub fn holds(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u32 != 0
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | 1 << permission as u32))
    }
}
