//! Runs the benchmark: records the answers of the real server, then measures at the null server, on the
//! floor, and at the real server.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use chroma_blocking::{
    Client, ClientBuilder, LocalServer, Record, RetryPolicy, client::CircuitBreaker,
};

use crate::alloc;
use crate::data;
use crate::floor::Floor;
use crate::measure::Cost;
use crate::null_server::{NullServer, Traffic};
use crate::recorder::{Exchange, Recorder};
use crate::table::Row;
use crate::work::{self, Place, Work};

const COLLECTION: &str = "throughput";

/// The amount of work.
pub struct Size {
    pub records: usize,
    /// Records in one large call.
    pub large: usize,
    /// Rounds at the null server and on the floor, in alternation, after one that is not counted.
    pub rounds: usize,
    /// Rounds at the real server, which takes a second to write a thousand records.
    pub real_rounds: usize,
    /// The divisor for the repetitions of small work.
    pub hurry: usize,
    /// After this time, each kind of work has only one round.
    pub deadline: Duration,
}

/// Measures everything: the rows of the table, and one large call.
pub fn all(size: &Size) -> Result<(Vec<Row>, Large), Box<dyn Error>> {
    let started = Instant::now();
    eprintln!("starting a server, and recording its answers");
    let server = LocalServer::builder()
        .version("1.5.9")
        .install(true)
        .on_install(|plan| eprintln!("{plan}"))
        .start()?;
    server.client()?.collection(COLLECTION).create()?;
    let (records, query) = (data::records(size.records)?, data::query());
    let recording = Recording::make(server.port(), &records, &query)?;
    let null = NullServer::start(recording.all())?;
    let guarded = guarded(null.url());
    let mut bench = Bench {
        size,
        started,
        at_null: place(Client::builder().host(null.url()), &records, &query)?,
        guarded: place(guarded, &records, &query)?,
        floor: Floor::new(null.url()),
        at_real: place(Client::builder().host(server.url()), &records, &query)?,
        null,
    };
    let mut rows = Vec::new();
    for (work, exchanges) in work::ALL.iter().zip(&recording.of_work) {
        eprintln!("measuring: {}", work.name);
        if work.uses_server {
            rows.extend(bench.null_and_floor(work, exchanges)?);
            rows.push(bench.real(work, exchanges)?);
        } else {
            rows.push(bench.alone(work)?);
        }
    }
    eprintln!("measuring: one large call");
    let large = bench.large()?;
    Ok((rows, large))
}

/// The exchanges between the client and the real server.
struct Recording {
    opening: Vec<Exchange>,
    /// For each of [`work::ALL`].
    of_work: Vec<Vec<Exchange>>,
}

impl Recording {
    /// Does each kind of work once at the real server.
    fn make(port: u16, records: &[Record], query: &[f32]) -> Result<Recording, Box<dyn Error>> {
        let recorder = Recorder::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let client = Client::builder().host(recorder.url());
        let place = place(client, records, query)?;
        let opening = recorder.take();
        let mut of_work = Vec::new();
        for work in work::ALL {
            (work.run)(&place)?;
            of_work.push(recorder.take());
        }
        Ok(Recording { opening, of_work })
    }

    fn all(&self) -> impl Iterator<Item = &Exchange> {
        self.opening.iter().chain(self.of_work.iter().flatten())
    }
}

/// Returns a client with all protections against failures: a breaker, replicas (unused while the primary
/// works), retries and their budget, a deadline.
fn guarded(url: &str) -> ClientBuilder {
    Client::builder()
        .host(url)
        .replicas(["127.0.0.1:9", "127.0.0.1:19"])
        .fail_over_writes(true)
        .circuit_breaker(CircuitBreaker::new())
        .retry(RetryPolicy::default().deadline(Duration::from_secs(60)))
}

/// Opens the collection, after the requests that a client sends only once.
fn place<'a>(
    client: ClientBuilder,
    records: &'a [Record],
    query: &'a [f32],
) -> Result<Place<'a>, Box<dyn Error>> {
    let client = client.build()?;
    client.pre_flight_checks()?;
    Ok(Place {
        collection: client.collection(COLLECTION).get()?,
        client,
        records,
        query,
    })
}

struct Bench<'a> {
    size: &'a Size,
    started: Instant,
    null: NullServer,
    at_null: Place<'a>,
    guarded: Place<'a>,
    floor: Floor,
    at_real: Place<'a>,
}

impl Bench<'_> {
    fn null_and_floor(
        &mut self,
        work: &Work,
        exchanges: &[Exchange],
    ) -> Result<[Row; 3], Box<dyn Error>> {
        let [mut ours, mut guarded, mut floors] = [Vec::new(), Vec::new(), Vec::new()];
        let mut traffic = [Traffic::default(); 3];
        for round in self.rounds(0..=self.size.rounds) {
            let before = self.null.traffic()?;
            let our = self.cost(work, &self.at_null)?;
            let between = self.null.traffic()?;
            let with_guards = self.cost(work, &self.guarded)?;
            let before_floor = self.null.traffic()?;
            let floor = Cost::of(|| {
                (0..self.repeat(work)).try_for_each(|_| self.floor.replay(exchanges))?;
                Ok(our.units)
            })?;
            let after = self.null.traffic()?;
            traffic = [
                between.since(before),
                before_floor.since(between),
                after.since(before_floor),
            ];
            if round > 0 {
                ours.push(our);
                guarded.push(with_guards);
                floors.push(floor);
            }
        }
        Ok([
            Row::new(work, "null", &ours, traffic[0]),
            Row::new(work, "guarded", &guarded, traffic[1]),
            Row::new(work, "floor", &floors, traffic[2]),
        ])
    }

    fn real(&self, work: &Work, exchanges: &[Exchange]) -> Result<Row, Box<dyn Error>> {
        let mut costs = Vec::new();
        for round in self.rounds(1..=self.size.real_rounds) {
            let mut place = self.at_real.clone();
            if work.writes {
                let name = format!("{COLLECTION}-{round}");
                place.collection = place.client.collection(name).create()?;
            }
            costs.push(self.cost(work, &place)?);
            if work.writes {
                place.client.delete_collection(place.collection.name())?;
            }
        }
        // From the recording.
        let repeat = self.repeat(work) as u64;
        let sum = |size: fn(&Exchange) -> u64| exchanges.iter().map(size).sum::<u64>() * repeat;
        let traffic = Traffic {
            received: sum(|exchange| exchange.request.len()),
            sent: sum(|exchange| exchange.answer.len()),
        };
        Ok(Row::new(work, "real", &costs, traffic))
    }

    /// Measures work without a server.
    fn alone(&self, work: &Work) -> Result<Row, Box<dyn Error>> {
        let rounds = self.rounds(1..=self.size.rounds);
        let costs: Result<Vec<_>, _> = rounds.map(|_| self.cost(work, &self.at_null)).collect();
        Ok(Row::new(work, "none", &costs?, Traffic::default()))
    }

    /// Measures a round.
    fn cost(&self, work: &Work, place: &Place<'_>) -> Result<Cost, Box<dyn Error>> {
        Cost::of(|| (0..self.repeat(work)).map(|_| (work.run)(place)).sum())
    }

    fn repeat(&self, work: &Work) -> usize {
        (work.repeat / self.size.hurry).max(1)
    }

    /// Returns these rounds, or fewer after the deadline.
    fn rounds(&self, rounds: RangeInclusive<usize>) -> impl Iterator<Item = usize> + use<> {
        let late = self.started + self.size.deadline;
        rounds.take_while(move |round| *round <= 1 || Instant::now() < late)
    }

    /// Measures one upsert of many records, for its memory.
    fn large(&self) -> Result<Large, Box<dyn Error>> {
        let before = alloc::held();
        let records = data::records(self.size.large)?;
        let callers = alloc::held() - before;
        let cost = Cost::of(|| {
            self.at_null.collection.upsert(&records)?;
            Ok(records.len())
        })?;
        Ok(Large { callers, cost })
    }
}

/// The cost of one large call.
pub struct Large {
    /// Bytes of the caller's records.
    pub callers: usize,
    pub cost: Cost,
}
