//! The exposure core against a slow, obvious model: labels after every change, paths, restarts.

mod change;
mod cluster_evasion;
mod clusters;
mod coinjoin;
mod evasion;
mod given;
mod hub_list;
mod model;
mod searches;
mod small;
mod unvalued;
