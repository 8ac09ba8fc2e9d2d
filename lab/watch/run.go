package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/background"
	"interlock/lab/load"
	"interlock/services/identity"
)

// Options say what is watched, and by how many.
type Options struct {
	// Server is the address of a server without other clients. Pid is its process; with 0 its memory is not looked at.
	Server string
	Pid    int
	// Tokens signs what the server takes.
	Tokens *identity.Development
	// Subscribers is how many follow; every other one over a WebSocket.
	Subscribers int
	// Window is how long the steady and the stalled phase are, each.
	Window time.Duration
	// Train is the number of the train that is sold; the server must not have it yet.
	Train string
	// SeatsPerClass is how large the run is that is sold, OrdersPerSecond how fast it goes.
	SeatsPerClass   int
	OrdersPerSecond float64
	// Command is how this was called, Versions what runs, for the report.
	Command  string
	Versions map[string]string
	Log      *slog.Logger
}

const (
	// buyers is how many buy: enough that a slow answer does not slow the sale.
	buyers = 16
	// connectAtOnce is how many connect at once where it is not a rush that is measured.
	connectAtOnce = 100
	// connectTimeout is for all of them to have their first event, the first time as when they come back.
	connectTimeout = time.Minute
	// quiet is until what connecting left behind has been collected.
	quiet = 3 * time.Second
	// aroundReconnect is how long the sale goes on before all are cut off, and after all are back.
	aroundReconnect = 2 * time.Second
	// arrivalPoll is how often last looks whether all have the last version.
	arrivalPoll = 20 * time.Millisecond
	megabyte    = 1 << 20
	// stalledTimeout is for the server to take one more subscriber.
	stalledTimeout = 10 * time.Second
)

// lab is one run of it.
type lab struct {
	Options
	begun       time.Time
	run         *load.Run
	admin       string
	subscribers []*subscriber
	following   sync.WaitGroup
	hangUp      context.CancelFunc
	acks        []background.Ack
	report      *Report
}

// Run measures.
func Run(ctx context.Context, o Options) (*Report, error) {
	l := &lab{Options: o, begun: time.Now()}
	l.report = &Report{
		StartedAt: l.begun.UTC(), Command: o.Command, Versions: o.Versions, Subscribers: o.Subscribers,
		EventStreams: (o.Subscribers + 1) / 2, Sockets: o.Subscribers / 2,
	}
	l.hangUp = func() {}
	defer l.leave()
	for _, step := range []func(context.Context) error{l.publish, l.arrive, l.sell, l.comeBack} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	for _, s := range l.subscribers {
		l.report.Violations += s.violations
		l.report.Broken += s.broken
		if s.problem != nil && s.broken > 0 {
			l.report.Problem = s.problem.Error()
		}
	}
	l.report.TookSeconds = time.Since(l.begun).Seconds()
	return l.report, nil
}

func (l *lab) publish(ctx context.Context) (err error) {
	if l.admin, err = load.AdminToken(l.Tokens); err != nil {
		return err
	}
	runs, err := load.Publish(ctx, l.Server, l.admin, l.Train, l.SeatsPerClass, 1)
	if err != nil {
		return err
	}
	l.run = runs[0]
	return load.AwaitRun(ctx, l.Server, l.run.ID)
}

// arrive lets the subscribers come one after the other, and sees what they cost while nothing happens.
func (l *lab) arrive(ctx context.Context) error {
	for n := range l.Subscribers {
		l.subscribers = append(l.subscribers,
			&subscriber{server: l.Server, socket: n%2 == 1, run: l.run.ID, begun: l.begun})
	}
	before := servers.ResidentBytes(l.Pid)
	begun := time.Now()
	if err := l.connect(ctx, connectAtOnce, nil); err != nil {
		return err
	}
	l.report.ConnectSeconds = time.Since(begun).Seconds()
	pause.For(ctx, min(quiet, l.Window))
	if idle := servers.ResidentBytes(l.Pid); idle > 0 {
		l.report.Memory = &Memory{
			BeforeMegabytes: before / megabyte, IdleMegabytes: idle / megabyte,
			PerSubscriberKilobytes: (idle - before) / 1024 / float64(l.Subscribers),
		}
	}
	l.Log.Info("connected", "subscribers", l.Subscribers, "seconds", l.report.ConnectSeconds, "memory", l.report.Memory)
	return ctx.Err()
}

// connect lets every subscriber follow, at most so many connecting at once, and returns when each has its first event.
// came, if set, is called by many at once.
func (l *lab) connect(ctx context.Context, atOnce int, came func()) error {
	life, cancel := context.WithCancel(ctx)
	l.hangUp = cancel
	places, back := make(chan struct{}, atOnce), make(chan struct{}, len(l.subscribers))
	limit := time.NewTimer(connectTimeout)
	defer limit.Stop()
	late := func(n int) error {
		return fmt.Errorf("%d of %d subscribers have no first event after %v", len(l.subscribers)-n, len(l.subscribers),
			connectTimeout)
	}
	for n, s := range l.subscribers {
		select {
		case places <- struct{}{}:
		case <-limit.C:
			return late(n)
		case <-ctx.Done():
			return ctx.Err()
		}
		l.following.Go(func() {
			s.follow(life, func() {
				if came != nil {
					came()
				}
				<-places
				back <- struct{}{}
			})
		})
	}
	for n := range l.subscribers {
		select {
		case <-back:
		case <-limit.C:
			return late(n)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (l *lab) startSale(ctx context.Context) *background.Sale {
	return background.Start(ctx, background.Options{
		Server: l.Server, Run: l.run, Buyers: buyers, PerSecond: l.OrdersPerSecond,
		Accounts: &load.Accounts{Token: load.PassengerTokens(l.Tokens)},
	})
}

// sell is the steady phase, the stalled one, and the end.
func (l *lab) sell(ctx context.Context) error {
	sale := l.startSale(ctx)
	times := []time.Time{time.Now()}
	pause.For(ctx, l.Window)
	times = append(times, time.Now())
	err := l.withStalled(ctx, func() { pause.For(ctx, l.Window) })
	times = append(times, time.Now())
	sale.Stop()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	if l.report.End, err = l.last(ctx, sale.Log()); err != nil {
		return err
	}
	if l.report.Memory != nil {
		l.report.Memory.SellingMegabytes = servers.ResidentBytes(l.Pid) / megabyte
	}
	l.leave()
	log := background.Log{Acks: l.acks}
	l.report.Steady = l.phase(log, times[0], times[1])
	l.report.Stalled.Phase = l.phase(log, times[1], times[2])
	if l.report.Steady.LagP99 > 0 {
		l.report.Stalled.RatioToSteady = l.report.Stalled.LagP99 / l.report.Steady.LagP99
	}
	l.tell("steady", l.report.Steady)
	l.tell("stalled", l.report.Stalled.Phase)
	l.Log.Info("the stalled reader", "came", l.report.Stalled.Came, "cut", l.report.Stalled.Cut)
	return l.connect(ctx, connectAtOnce, nil)
}

// withStalled has one more subscriber, that reads nothing, and asks the server what became of it.
func (l *lab) withStalled(ctx context.Context, during func()) error {
	// A subscriber may have been lost by now, and its stream with it.
	before, err := openStreams(ctx, l.Server)
	if err != nil {
		return err
	}
	reader, err := load.Stall(l.Server, l.run.ID)
	if err != nil {
		return err
	}
	defer reader.Close()
	limited, cancel := context.WithTimeout(ctx, stalledTimeout)
	defer cancel()
	for ; !l.report.Stalled.Came; pause.For(limited, arrivalPoll) {
		open, err := openStreams(limited, l.Server)
		if err != nil {
			return fmt.Errorf("the stalled reader did not come to the %d streams before: %w", before, err)
		}
		l.report.Stalled.Came = open > before
	}
	during()
	after, err := openStreams(ctx, l.Server)
	l.report.Stalled.Cut = after <= before
	return err
}

func (l *lab) tell(name string, p Phase) {
	l.Log.Info(name, "orders_per_second", int(p.OrdersPerSecond), "events_per_second", int(p.EventsPerSecond),
		"lag_p50_ms", p.LagP50, "lag_p99_ms", p.LagP99, "lag_max_ms", p.LagMax, "order_p99_ms", p.OrderP99)
}

// last waits until all subscribers have the version that the last order brought.
func (l *lab) last(ctx context.Context, log background.Log) (Arrival, error) {
	if len(log.Acks) == 0 {
		return Arrival{}, fmt.Errorf("nothing was sold: %w", log.Problem)
	}
	l.acks = append(l.acks, log.Acks...)
	end := log.Acks[len(log.Acks)-1].HeardAt
	a := Arrival{}
	for {
		if a.LastVersion == 0 {
			version, left, err := l.now(ctx)
			if err != nil {
				return a, err
			}
			if left <= background.Capacity(l.run)-len(l.acks) {
				a.LastVersion = version
			}
		}
		missing, latest := l.missing(a.LastVersion)
		late := time.Since(end) > MaxArrivalMilliseconds*time.Millisecond
		if missing == 0 || late {
			a.Missing, a.AfterMilliseconds = missing, max(0, latest.Sub(end).Seconds()*1e3)
			l.Log.Info("the end", "last_version", a.LastVersion, "after_ms", a.AfterMilliseconds, "missing", a.Missing)
			return a, nil
		}
		pause.For(ctx, arrivalPoll)
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
	}
}

// missing is how many subscribers do not have a version yet, and when the last of the others had it. Version 0 is not
// known yet, and all miss it.
func (l *lab) missing(version int64) (n int, latest time.Time) {
	at := int64(0)
	for _, s := range l.subscribers {
		if version == 0 || s.latest.Load() < version {
			n++
		}
		at = max(at, s.latestAt.Load())
	}
	return n, l.begun.Add(time.Duration(at))
}

// now is the run's version and what is left on the leg, as the server tells it.
func (l *lab) now(ctx context.Context) (version int64, left int, err error) {
	var answer struct {
		Node struct {
			Availability struct {
				Version int64
				Classes []struct{ Remaining *int }
			}
		}
	}
	err = load.API{Server: l.Server, Token: l.admin}.Ask(ctx,
		`query($i:ID!,$f:StationCode!,$t:StationCode!){node(id:$i){... on Run{availability(from:$f,to:$t){version `+
			`classes{remaining}}}}}`,
		map[string]any{"i": l.run.ID, "f": background.From(), "t": background.To()}, &answer)
	for _, class := range answer.Node.Availability.Classes {
		if class.Remaining == nil {
			return 0, background.Capacity(l.run), err
		}
		left += *class.Remaining
	}
	return answer.Node.Availability.Version, left, err
}

// comeBack cuts all subscribers off during a sale. All come back at once.
func (l *lab) comeBack(ctx context.Context) error {
	sale := l.startSale(ctx)
	pause.For(ctx, min(aroundReconnect, l.Window))
	l.leave()
	attempts := l.attempts()
	cut := time.Now()
	var mu sync.Mutex
	waits := newHistogram()
	err := l.connect(ctx, len(l.subscribers), func() {
		took := time.Since(cut)
		mu.Lock()
		defer mu.Unlock()
		record(waits, took)
	})
	back := time.Now()
	pause.For(ctx, min(aroundReconnect, l.Window))
	sale.Stop()
	if err != nil {
		return err
	}
	log := sale.Log()
	r := &l.report.Reconnect
	r.Back, r.P50, r.P99, r.Max = int(waits.TotalCount()), quantile(waits, 50), quantile(waits, 99),
		quantile(waits, 100)
	orders := newHistogram()
	for _, ack := range log.Acks {
		if ack.HeardAt.After(cut) && ack.AskedAt.Before(back) {
			record(orders, ack.HeardAt.Sub(ack.AskedAt))
		}
	}
	r.Orders, r.OrderP99 = int(orders.TotalCount()), quantile(orders, 99)
	if l.report.ReconnectEnd, err = l.last(ctx, log); err != nil {
		return err
	}
	l.leave()
	r.Attempts = l.attempts() - attempts
	l.Log.Info("reconnect", "back", r.Back, "p50_ms", r.P50, "p99_ms", r.P99, "max_ms", r.Max, "attempts", r.Attempts,
		"orders", r.Orders, "order_p99_ms", r.OrderP99)
	return ctx.Err()
}

// leave ends all subscribers. From then on their notes may be read.
func (l *lab) leave() {
	l.hangUp()
	l.following.Wait()
}

// attempts is how often subscribers have ever tried to connect. All must have ended.
func (l *lab) attempts() (n int) {
	for _, s := range l.subscribers {
		n += s.attempts
	}
	return n
}

// openStreams is how many streams the server says are open.
func openStreams(ctx context.Context, server string) (open int, err error) {
	figures, err := load.Metrics(ctx, server)
	for name, n := range figures {
		if strings.HasPrefix(name, "interlock_streams{") {
			open += int(n)
		}
	}
	return open, err
}
