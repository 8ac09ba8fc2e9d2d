package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"interlock/internal/pause"
	"interlock/lab/background"
	"interlock/lab/cluster"
	"interlock/lab/load"
	"interlock/services/identity"
)

// Options say what to search, and where.
type Options struct {
	// Server is the address of a server that has the sample on sale on Date and no other clients.
	Server string
	Date   string
	// Runs and Days are how much of the sample there is, for the report.
	Runs, Days int
	// Tokens signs what the server takes.
	Tokens *identity.Development
	// Cluster is the server's. With nil the server stands alone, and nothing is counted, frozen or killed.
	Cluster *cluster.Cluster
	// Window is how long each scenario is, Searchers how many ask at once.
	Window    time.Duration
	Searchers int
	// Train is the number of the train that is sold meanwhile; the server must not have it yet.
	Train string
	// SeatsPerClass is how large the run is that is sold meanwhile, OrdersPerSecond how fast it goes.
	SeatsPerClass   int
	OrdersPerSecond float64
	// Command is how this was called, for the report.
	Command string
	Log     *slog.Logger
}

// The pairs of the sample's stations.
const (
	busyFrom, busyTo       = "ICQ", "WHN"
	typicalFrom, typicalTo = "VNP", "HGH"
	emptyFrom, emptyTo     = "VNP", "GZQ"
)

const (
	// buyers is how many buy meanwhile: enough that a slow answer does not slow the sale.
	buyers = 16
	// staleWatchers is how many of the searchers ask about the run that is sold.
	staleWatchers = 2
	// warmUp is until connections are open and the process has grown to its work.
	warmUp = time.Second
	// frozenWindow is below the four seconds after which a replica gives its primary up: they only rest.
	frozenWindow = 3 * time.Second
	// cacheDown is how long the cache is away, and knownTimeout how long it may take until all is known again: a full
	// load takes a few seconds.
	cacheDown    = 5 * time.Second
	knownTimeout = 30 * time.Second
	// knownPoll is how often expect asks.
	knownPoll = 20 * time.Millisecond
	// readyTimeout is how long the server may take to hear of what was imported.
	readyTimeout = time.Minute
)

// lab is one run of it.
type lab struct {
	Options
	report *Report
}

// Run measures.
func Run(ctx context.Context, o Options) (*Report, error) {
	begun := time.Now()
	l := &lab{Options: o, report: &Report{StartedAt: begun.UTC(), Command: o.Command, Runs: o.Runs, Days: o.Days}}
	if c := o.Cluster; c != nil {
		l.report.Versions = map[string]string{
			string(c.Flavor()): c.Primary.Version(), "Redis": c.Cache.Version(), "Go": runtime.Version(),
		}
	}
	steps := []func(context.Context) error{l.quietly, l.selling}
	if o.Cluster != nil {
		steps = append(steps, l.frozen, l.cacheKilled)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	l.report.TookSeconds = time.Since(begun).Seconds()
	return l.report, nil
}

func (l *lab) busy() question { return question{busyFrom, busyTo, l.Date} }

// expect asks once until the server knows of all that is left on every offer, and returns how many offers there are.
func (l *lab) expect(ctx context.Context, q question) (offers int, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	c := newClient(l.Server, 1)
	defer c.close()
	s, err := c.newSearcher(q)
	if err != nil {
		return 0, err
	}
	for {
		a, err := s.ask(ctx)
		if err == nil && a.unknown == 0 && (a.offers > 0 || q.to == emptyTo) {
			return a.offers, nil
		}
		if ctx.Err() != nil {
			return 0, fmt.Errorf("%s to %s on %s: %w, %d offers, %d not known", q.from, q.to, q.date,
				errors.Join(ctx.Err(), err), a.offers, a.unknown)
		}
		pause.For(ctx, knownPoll)
	}
}

// search is one scenario: a while that does not count, then the window.
func (l *lab) search(
	ctx context.Context, name string, q question, window time.Duration, searchers int,
) (*Searches, error) {
	offers, err := l.expect(ctx, q)
	if err != nil {
		return nil, err
	}
	var result *Searches
	for _, d := range []time.Duration{min(warmUp, window), window} {
		limited, cancel := context.WithTimeout(ctx, d)
		result, err = rush(limited, l.Server, q, searchers, offers, nil)
		cancel()
		if err := errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
	}
	l.tell(name, result)
	return result, nil
}

func (l *lab) tell(name string, s *Searches) {
	l.Log.Info(name, "offers", s.Offers, "searches_per_second", int(s.SearchesPerSecond), "p50_ms", s.P50Milliseconds,
		"p99_ms", s.P99Milliseconds, "unknown", s.Unknown, "wrong", s.Wrong, "problem", s.Problem)
}

// quietly searches while nothing else goes on, and counts what the primary is asked.
func (l *lab) quietly(ctx context.Context) error {
	if _, err := l.expect(ctx, l.busy()); err != nil {
		return err
	}
	if l.Cluster != nil {
		// What an import leaves for the replicas would be in the way.
		if err := l.Cluster.AwaitReplicas(ctx); err != nil {
			return err
		}
	}
	idle, err := l.count(ctx, func() error {
		if l.Cluster != nil {
			pause.For(ctx, l.Window)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	searching, err := l.count(ctx, func() (err error) {
		for _, s := range []struct {
			name string
			q    question
			into **Searches
		}{
			{"busy", l.busy(), &l.report.Busy},
			{"typical", question{typicalFrom, typicalTo, l.Date}, &l.report.Typical},
			{"empty", question{emptyFrom, emptyTo, l.Date}, &l.report.Empty},
		} {
			if *s.into, err = l.search(ctx, s.name, s.q, l.Window, l.Searchers); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || l.Cluster == nil {
		return err
	}
	m := &Statements{
		IdleSelectsPerSecond:      idle.perSecond(idle.selects),
		SearchingSelectsPerSecond: searching.perSecond(searching.selects),
		IdlePerSecond:             idle.perSecond(idle.statements),
		SearchingPerSecond:        searching.perSecond(searching.statements),
		Searches:                  l.report.Busy.Searches + l.report.Typical.Searches + l.report.Empty.Searches,
	}
	m.PerSearch = max(0, (m.SearchingPerSecond-m.IdlePerSecond)*searching.seconds/float64(max(m.Searches, 1)))
	l.report.MySQL = m
	l.Log.Info("mysql", "idle_statements_per_second", m.IdlePerSecond, "searching_statements_per_second",
		m.SearchingPerSecond, "searches", m.Searches)
	return nil
}

// selling searches beside a sale.
func (l *lab) selling(ctx context.Context) error {
	admin, err := load.AdminToken(l.Tokens)
	if err != nil {
		return err
	}
	runs, err := load.Publish(ctx, l.Server, admin, l.Train, l.SeatsPerClass, 1)
	if err != nil {
		return err
	}
	run := runs[0]
	if err := load.AwaitRun(ctx, l.Server, run.ID); err != nil {
		return err
	}
	if _, err := l.expect(ctx, question{background.From(), background.To(), run.RunID.Date().String()}); err != nil {
		return err
	}
	sale := background.Start(ctx, background.Options{
		Server: l.Server, Run: run, Buyers: buyers, PerSecond: l.OrdersPerSecond,
		Accounts: &load.Accounts{Token: load.PassengerTokens(l.Tokens)},
	})
	watching, cancel := context.WithCancel(ctx)
	var seen [][]background.Shown
	var watchErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		seen, watchErr = watchers(watching, l.Server, run, staleWatchers)
	}()
	searches, err := l.search(ctx, "selling", l.busy(), l.Window, max(1, l.Searchers-staleWatchers))
	sale.Stop()
	if err == nil {
		// The last order is shown, too.
		pause.For(ctx, MaxStalenessMilliseconds*time.Millisecond)
	}
	cancel()
	<-done
	if err := errors.Join(err, watchErr); err != nil {
		return err
	}
	log := sale.Log()
	if len(log.Acks) == 0 {
		return fmt.Errorf("nothing was sold meanwhile: %w", log.Problem)
	}
	s := &Selling{Searches: searches}
	s.ages(log, seen)
	s.OrdersPerSecond = float64(s.Orders) / log.Acks[s.Orders-1].HeardAt.Sub(log.Acks[0].AskedAt).Seconds()
	s.Unshown = max(0, s.Orders-lastShown(seen))
	l.report.Selling = s
	l.Log.Info("staleness", "orders", s.Orders, "p50_ms", s.StalenessP50, "p99_ms", s.StalenessP99, "max_ms",
		s.StalenessMax, "lacked_max_ms", s.LackedMax)
	return nil
}

// lastShown is the least that a watcher was shown at last.
func lastShown(seen [][]background.Shown) int {
	least := -1
	for _, watcher := range seen {
		last := 0
		if len(watcher) > 0 {
			last = watcher[len(watcher)-1].Orders
		}
		if least < 0 || last < least {
			least = last
		}
	}
	return least
}
