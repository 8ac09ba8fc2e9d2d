package sell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"interlock/lab/cluster"
	"interlock/lab/load"
)

// Options say what to measure.
type Options struct {
	// Window is one round's length, Rounds how many there are of each scenario.
	Window time.Duration
	Rounds int
	// Limit bounds the whole; 0: nothing does. Where it comes near, rounds and curves are left out, never the checks.
	Limit time.Duration
	// Short leaves out all but what shows that it is right and faster than the baseline.
	Short bool
	// Only names the scenarios; empty: all.
	Only []string
	// Command is how this was called, for the report.
	Command string
	Log     *slog.Logger
}

// The scenarios.
const (
	baselineScenario    = "baseline"
	ceilingScenario     = "ceiling"
	hot64Scenario       = "hot_64"
	hot1024Scenario     = "hot_1024"
	serversScenario     = "four_servers"
	zipfScenario        = "zipf_100"
	singleBuyerScenario = "single_buyer"
	outScenario         = "sells_out"
	buyersScenario      = "buyers"
	offeredScenario     = "offered"
	overloadScenario    = "overload"
	seatsScenario       = "seats"
)

// Scenarios are all there are, in the order of the report.
var Scenarios = []string{
	baselineScenario, ceilingScenario, hot64Scenario, hot1024Scenario, serversScenario, zipfScenario,
	singleBuyerScenario, outScenario,
	buyersScenario, offeredScenario, seatsScenario, overloadScenario,
}

const (
	// warmUp is until connections are open, the worker has its lock and the first batches are through.
	warmUp = 2 * time.Second
	// fewRuns is when more are published: more than one round at ten times today's speed takes.
	fewRuns = 150
	// reserve is kept of the ceiling for what comes after the rounds: one buyer, a sell-out, an overload, and the
	// checks.
	reserve = 3 * time.Minute
)

// lab is one run of it.
type lab struct {
	Options
	cluster *cluster.Cluster
	crowd   *load.Crowd
	runs    *load.Runs
	small   *load.Runs // to sell out
	server  string     // the first
	watcher *load.Subscriber
	log     *slog.Logger
	trains  int
	begun   time.Time
}

// Run measures on a cluster with one server.
func Run(ctx context.Context, c *cluster.Cluster, o Options) (*Report, error) {
	for _, name := range o.Only {
		if !slices.Contains(Scenarios, name) {
			return nil, fmt.Errorf("%w: %s; there are %s", ErrUnknownScenario, name, strings.Join(Scenarios, ", "))
		}
	}
	begun := time.Now()
	l := &lab{
		begun: begun, Options: o, cluster: c, runs: &load.Runs{}, small: &load.Runs{}, server: c.Servers()[0].Addr(),
		log: o.Log,
	}
	l.crowd = &load.Crowd{
		Journal: &load.Journal{}, Seed: rand.Uint64(),
		Accounts: &load.Accounts{Token: load.PassengerTokens(c.Tokens())},
	}
	report := &Report{
		StartedAt: begun.UTC(), Command: o.Command, Machine: ThisMachine(), Seed: l.crowd.Seed, Rounds: o.Rounds,
		Seconds: o.Window.Seconds(),
		Versions: map[string]string{
			string(c.Flavor()): c.Primary.Version(), "Redis": c.Cache.Version(), "Go": runtime.Version(),
			"commit": Commit(),
		},
	}
	if err := l.publish(ctx); err != nil {
		return nil, err
	}
	l.watcher = load.NewSubscriber(ctx, l.server)
	defer l.watcher.Close()
	if err := l.measure(ctx, report); err != nil {
		return nil, err
	}
	report.SubscriberEvents = l.watcher.Events()
	l.log.Info("checking everything that was told to anybody")
	if err := l.check(ctx, report); err != nil {
		return nil, err
	}
	report.TookSeconds = time.Since(begun).Seconds()
	return report, nil
}

// publish puts another train's runs on sale where few are left.
func (l *lab) publish(ctx context.Context) error {
	if l.runs.Left() >= fewRuns {
		return nil
	}
	return l.publishInto(ctx, l.runs, load.SeatsPerClass, load.MaxDates)
}

// publishInto puts another train on sale, and waits until every server sells it.
func (l *lab) publishInto(ctx context.Context, into *load.Runs, seatsPerClass, dates int) error {
	admin, err := load.AdminToken(l.cluster.Tokens())
	if err != nil {
		return err
	}
	l.trains++
	runs, err := load.Publish(ctx, l.server, admin, fmt.Sprintf("G%d", l.trains), seatsPerClass, dates)
	if err != nil {
		return err
	}
	for _, s := range l.cluster.Servers() {
		if err := load.AwaitRun(ctx, s.Addr(), runs[len(runs)-1].ID); err != nil {
			return err
		}
	}
	into.Add(runs)
	return nil
}

// hasTime tells whether something that takes so long may still be begun.
func (l *lab) hasTime(takes time.Duration) bool {
	return l.Limit == 0 || time.Since(l.begun)+takes+reserve < l.Limit
}

// wants tells whether any of some scenarios is to be measured.
func (l *lab) wants(scenarios ...string) bool {
	return len(l.Only) == 0 || slices.ContainsFunc(scenarios, func(s string) bool { return slices.Contains(l.Only, s) })
}

// targetsOf makes the target runs of a rush.
type targetsOf func(*load.Runs) (*load.Targets, error)

// rush is always, if the scenario is wanted.
func (l *lab) rush(
	ctx context.Context, scenario string, into *[]*load.Result, servers []string, buyers int, on targetsOf,
) error {
	if !l.wants(scenario) {
		return nil
	}
	return l.always(ctx, scenario, into, servers, buyers, on)
}

// always runs one round of a scenario and notes its result.
func (l *lab) always(
	ctx context.Context, scenario string, into *[]*load.Result, servers []string, buyers int, on targetsOf,
) error {
	result, err := l.sell(ctx, servers, buyers, l.Window, 0, on)
	if err != nil {
		return fmt.Errorf("%s: %w", scenario, err)
	}
	*into = append(*into, result)
	l.tell(scenario, result)
	return nil
}

func (l *lab) tell(scenario string, r *load.Result) {
	l.log.Info(scenario, "buyers", r.Buyers, "offered", int(r.OfferedPerSecond), "orders_per_second",
		int(r.OrdersPerSecond),
		"p50_ms", r.P50Milliseconds, "p99_ms", r.P99Milliseconds, "answers", r.Answers)
}

// prepare makes the cluster quiet and sees that there is enough to sell.
func (l *lab) prepare(ctx context.Context) error {
	if err := l.cluster.AwaitReplicas(ctx); err != nil {
		return err
	}
	return l.publish(ctx)
}

// sell lets buyers at some servers, with one subscriber on the run.
func (l *lab) sell(
	ctx context.Context, servers []string, buyers int, window time.Duration, perSecond float64, on targetsOf,
) (*load.Result, error) {
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	targets, err := on(l.runs)
	if err != nil {
		return nil, err
	}
	l.watcher.Watch(targets.First())
	targets.Moved = l.watcher.Watch
	return load.Rush{
		Crowd: l.crowd, Targets: targets, Servers: servers, Buyers: buyers, WarmUp: warmUp, Window: window,
		PerSecond: perSecond,
	}.Run(ctx)
}

// ErrUnknownScenario says that a scenario is not one of Scenarios.
var ErrUnknownScenario = errors.New("there is no such scenario")
