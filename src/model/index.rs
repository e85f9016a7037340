//! [`HnswConfig`] and [`SpannConfig`]: the settings of vector indexes.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::open::open_object;
use super::space::Space;
use crate::invalid::InvalidInput;

open_object! {
    /// The settings of an HNSW index, which single-node servers use: a graph in memory that links near
    /// vectors.
    ///
    /// The server chooses settings that are absent. The defaults below are from Chroma's source
    /// (`rust/types/src/hnsw_configuration.rs`). Larger graphs and longer searches find more of the true
    /// neighbors, and need more memory and time.
    ///
    /// ```
    /// use chroma_blocking::schema::HnswConfig;
    ///
    /// let config = HnswConfig::new().ef_construction(200).max_neighbors(32);
    /// assert_eq!(config.max_neighbors, Some(32));
    /// ```
    pub struct HnswConfig {
        /// The distance function; the same as the collection's setting with this name. Fixed when the
        /// collection is created. Default: [`Space::L2`].
        space ("space"): Space as Space,
        /// The number of candidates for the links of a new vector. Fixed when the collection is created.
        /// Default: 100.
        ef_construction ("ef_construction"): usize as usize,
        /// The number of links per vector, at least 2. With fewer, the server crashes when it builds the
        /// index (seen on 1.0.0 and 1.5.9). Default: 16.
        max_neighbors ("max_neighbors"): usize as usize,
        /// The number of candidates of a query. Default: 100.
        ef_search ("ef_search"): usize as usize,
        /// The number of threads on the server. Default: one per core. Servers do not return it.
        num_threads ("num_threads"): usize as usize,
        /// The number of vectors that are searched linearly before they are added to the graph together, at
        /// least 2. Default: 100. Servers do not return it.
        batch_size ("batch_size"): usize as usize,
        /// The number of new vectors after which the graph is written to disk, at least 2. Default: 1,000.
        sync_threshold ("sync_threshold"): usize as usize,
        /// The factor by which a full graph grows. Default: 1.2.
        resize_factor ("resize_factor"): f64 as f64,
    }
}

open_object! {
    /// The settings of a SPANN index, which distributed servers and Chroma Cloud use: clusters of vectors on
    /// disk, found by their centers.
    ///
    /// The server chooses settings that are absent. The defaults and ranges below are from Chroma's source
    /// (`rust/types/src/spann_configuration.rs`, `collection_schema.rs`). A single-node server builds an
    /// [HNSW](HnswConfig) index with the same space instead, and a distributed server builds SPANN instead of
    /// HNSW. So the same program runs on both; settings of the other kind are ignored.
    pub struct SpannConfig {
        /// The distance function; the same as the collection's setting with this name. Fixed when the
        /// collection is created. Default: [`Space::L2`].
        space ("space"): Space as Space,
        /// The number of clusters that a query searches, at most 128. Default: 64.
        search_nprobe ("search_nprobe"): u32 as u32,
        /// The number of clusters considered for a new vector, at most 64. Fixed when the collection is
        /// created. Default: 32.
        write_nprobe ("write_nprobe"): u32 as u32,
        /// The number of candidates for the links of a new center, at most 200. Fixed when the collection is
        /// created. Default: 200.
        ef_construction ("ef_construction"): usize as usize,
        /// The number of candidate centers of a query, at most 200. Default: 200.
        ef_search ("ef_search"): usize as usize,
        /// The number of links per center, at most 64. Fixed when the collection is created. Default: 64.
        max_neighbors ("max_neighbors"): usize as usize,
        /// The number of near clusters whose vectors may move when a cluster is split, at most 64. Fixed when
        /// the collection is created. Default: 64.
        reassign_neighbor_count ("reassign_neighbor_count"): u32 as u32,
        /// The number of vectors at which a cluster is split, 50–200. Fixed when the collection is created.
        /// Default: 50.
        split_threshold ("split_threshold"): u32 as u32,
        /// The number of vectors below which clusters are merged, 25–100. Fixed when the collection is
        /// created. Default: 25.
        merge_threshold ("merge_threshold"): u32 as u32,
    }
}

impl HnswConfig {
    /// Refuses settings that a server refuses, or that crash it.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        within("max_neighbors", self.max_neighbors, 2..=usize::MAX)?;
        within("batch_size", self.batch_size, 2..=usize::MAX)?;
        within("sync_threshold", self.sync_threshold, 2..=usize::MAX)?;
        match self.resize_factor {
            Some(factor) if !factor.is_finite() => Err(InvalidInput::Setting {
                name: "resize_factor",
                value: factor.to_string(),
                why: "it must be a finite number".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Returns these settings, and those of `other` where none is set.
    pub(crate) fn or(self, other: HnswConfig) -> HnswConfig {
        HnswConfig {
            space: self.space.or(other.space),
            ef_construction: self.ef_construction.or(other.ef_construction),
            max_neighbors: self.max_neighbors.or(other.max_neighbors),
            ef_search: self.ef_search.or(other.ef_search),
            num_threads: self.num_threads.or(other.num_threads),
            batch_size: self.batch_size.or(other.batch_size),
            sync_threshold: self.sync_threshold.or(other.sync_threshold),
            resize_factor: self.resize_factor.or(other.resize_factor),
            other: joined(self.other, other.other),
        }
    }

    /// Returns the settings that are not defaults, such as `ef_search 50`, except the space. The number of
    /// threads does not count: its default depends on the machine.
    pub(crate) fn changed(&self) -> Vec<String> {
        let defaults = [
            ("ef_construction", 100.0),
            ("max_neighbors", 16.0),
            ("ef_search", 100.0),
            ("batch_size", 100.0),
            ("sync_threshold", 1000.0),
            ("resize_factor", 1.2),
        ];
        let without = HnswConfig {
            num_threads: None,
            ..self.clone()
        };
        changed(&json!(without), &defaults)
    }

    /// Refuses settings that cannot be changed after the collection was created.
    pub(crate) fn check_update(&self) -> Result<(), InvalidInput> {
        fixed("space", self.space.map(Space::name))?;
        fixed("ef_construction", self.ef_construction)?;
        self.check()
    }
}

impl SpannConfig {
    /// Returns these settings, and those of `other` where none is set.
    pub(crate) fn or(self, other: SpannConfig) -> SpannConfig {
        SpannConfig {
            space: self.space.or(other.space),
            search_nprobe: self.search_nprobe.or(other.search_nprobe),
            write_nprobe: self.write_nprobe.or(other.write_nprobe),
            ef_construction: self.ef_construction.or(other.ef_construction),
            ef_search: self.ef_search.or(other.ef_search),
            max_neighbors: self.max_neighbors.or(other.max_neighbors),
            reassign_neighbor_count: self
                .reassign_neighbor_count
                .or(other.reassign_neighbor_count),
            split_threshold: self.split_threshold.or(other.split_threshold),
            merge_threshold: self.merge_threshold.or(other.merge_threshold),
            other: joined(self.other, other.other),
        }
    }

    /// Returns the settings that are not defaults, such as `ef_search 50`, except the space.
    pub(crate) fn changed(&self) -> Vec<String> {
        let defaults = [
            ("search_nprobe", 64.0),
            ("write_nprobe", 32.0),
            ("ef_construction", 200.0),
            ("ef_search", 200.0),
            ("max_neighbors", 64.0),
            ("reassign_neighbor_count", 64.0),
            ("split_threshold", 50.0),
            ("merge_threshold", 25.0),
        ];
        // Servers return further settings, which clients do not set.
        let known = SpannConfig {
            other: Map::new(),
            ..self.clone()
        };
        changed(&json!(known), &defaults)
    }

    /// Refuses settings that a server refuses.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        within("search_nprobe", self.search_nprobe, 0..=128)?;
        within("write_nprobe", self.write_nprobe, 0..=64)?;
        within("ef_construction", self.ef_construction, 0..=200)?;
        within("ef_search", self.ef_search, 0..=200)?;
        within("max_neighbors", self.max_neighbors, 0..=64)?;
        within(
            "reassign_neighbor_count",
            self.reassign_neighbor_count,
            0..=64,
        )?;
        within("split_threshold", self.split_threshold, 50..=200)?;
        within("merge_threshold", self.merge_threshold, 25..=100)
    }

    /// Refuses settings that cannot be changed after the collection was created.
    pub(crate) fn check_update(&self) -> Result<(), InvalidInput> {
        fixed("space", self.space.map(Space::name))?;
        fixed("write_nprobe", self.write_nprobe)?;
        fixed("ef_construction", self.ef_construction)?;
        fixed("max_neighbors", self.max_neighbors)?;
        fixed("reassign_neighbor_count", self.reassign_neighbor_count)?;
        fixed("split_threshold", self.split_threshold)?;
        fixed("merge_threshold", self.merge_threshold)?;
        self.check()
    }
}

/// Returns the entries of both. Those of the first one win.
fn joined(first: Map<String, Value>, mut second: Map<String, Value>) -> Map<String, Value> {
    second.extend(first);
    second
}

/// Returns the settings that are not defaults, except the space.
fn changed(settings: &Value, defaults: &[(&str, f64)]) -> Vec<String> {
    let settings = settings.as_object().into_iter().flatten();
    let changed = settings.filter(|(name, value)| {
        let default = defaults.iter().find(|(known, _)| known == name);
        let is_default = default.is_some_and(|(_, default)| value.as_f64() == Some(*default));
        *name != "space" && !is_default
    });
    changed
        .map(|(name, value)| format!("{name} {value}"))
        .collect()
}

fn within<T>(
    name: &'static str,
    value: Option<T>,
    range: RangeInclusive<T>,
) -> Result<(), InvalidInput>
where
    T: PartialOrd + Display + TryFrom<usize>,
{
    let Some(value) = value.filter(|value| !range.contains(value)) else {
        return Ok(());
    };
    let (low, high) = (range.start(), range.end());
    let why = if value > *high {
        format!("it must be {high} or less")
    } else {
        format!("it must be {low} or more")
    };
    Err(InvalidInput::Setting {
        name,
        value: value.to_string(),
        why,
    })
}

fn fixed(name: &'static str, value: Option<impl Display>) -> Result<(), InvalidInput> {
    match value {
        None => Ok(()),
        Some(value) => Err(InvalidInput::Setting {
            name,
            value: value.to_string(),
            why: "it cannot change after the collection was created".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_servers_refuse_are_errors() {
        let bad = [
            HnswConfig::new().max_neighbors(1),
            HnswConfig::new().max_neighbors(0),
            HnswConfig::new().batch_size(1),
            HnswConfig::new().sync_threshold(0),
            HnswConfig::new().resize_factor(f64::NAN),
        ];
        for config in bad {
            assert!(config.check().is_err(), "{config:?}");
        }
        let edge = HnswConfig::new().max_neighbors(2).batch_size(2);
        assert_eq!(edge.sync_threshold(2).ef_search(0).check(), Ok(()));

        let bad = [
            (
                SpannConfig::new().search_nprobe(129),
                "search_nprobe is \"129\": it must be 128 or less",
            ),
            (
                SpannConfig::new().split_threshold(49),
                "split_threshold is \"49\": it must be 50 or more",
            ),
            (
                SpannConfig::new().merge_threshold(101),
                "merge_threshold is \"101\": it must be 100 or less",
            ),
            (
                SpannConfig::new().ef_search(201),
                "ef_search is \"201\": it must be 200 or less",
            ),
        ];
        for (config, message) in bad {
            assert_eq!(config.check().unwrap_err().to_string(), message);
        }
        assert_eq!(SpannConfig::new().split_threshold(50).check(), Ok(()));
    }

    #[test]
    fn fixed_settings_cannot_be_updated() {
        assert_eq!(HnswConfig::new().ef_search(1).check_update(), Ok(()));
        let error = HnswConfig::new()
            .space(Space::Ip)
            .check_update()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "space is \"ip\": it cannot change after the collection was created"
        );
        assert!(HnswConfig::new().ef_construction(1).check_update().is_err());
        assert!(SpannConfig::new().write_nprobe(1).check_update().is_err());
        let fine = SpannConfig::new().ef_search(1).search_nprobe(1);
        assert_eq!(fine.check_update(), Ok(()));
    }

    #[test]
    fn settings_of_a_newer_server_are_written_back() {
        let wire = json!({ "space": "hamming", "ef_search": 7, "layers": 3 });
        let config: HnswConfig = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!((config.space, config.ef_search), (None, Some(7)));
        assert_eq!(serde_json::to_value(&config).unwrap(), wire);
    }
}
