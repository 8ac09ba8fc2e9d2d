package attack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/load"
	"interlock/lab/sell"
)

// Options say what to play.
type Options struct {
	// Window is the length of an attack, and of what it is compared with.
	Window time.Duration
	// PerSecond is how many buyers come in a second.
	PerSecond float64
	// Limit bounds the whole; 0: nothing does. Where it comes near, nothing is played again.
	Limit time.Duration
	// Only names the attacks; empty: all.
	Only []string
	// Command is how this was called, for the report.
	Command string
	Log     *slog.Logger
}

const (
	// buyers is how many connections they have: at 150 orders a second, one comes free long before it is needed.
	buyers = 64
	// warmUp is until connections are open and the worker has its lock.
	warmUp = 2 * time.Second
	// calmWindow is how long buyers buy before anything is measured, so that the server has what it always has.
	calmWindow = 5 * time.Second
	// lapsingHold is how long a hold lasts that the second server gives: a few lapse within one window.
	lapsingHold = 2 * time.Second
	// mayStay is how much more memory than at rest a server may have when an attack is over. With more it is started
	// anew, so that the next attack begins as all do.
	mayStay = 100.0
	// around is what each window takes besides its length. reserve is kept of the limit for servers that are slow to
	// end, for servers in other character sets, and for the checks.
	around  = warmUp + time.Second
	reserve = 90 * time.Second
	// stopTimeout is more than a server takes to end in order.
	stopTimeout = 15 * time.Second

	// What is on sale: for the buyers, to be watched, to be hoarded, and with one seat.
	buyersTrain, watchedTrain, smallTrain, soldOutTrainNumber = "G90001", "G90002", "G90003", "T12"
	smallDates                                                = smallPerRound * maxRounds
	smallSeats                                                = 256
	// smallPerRound is how many small trains a round needs: four to be hoarded, and one for strangers.
	smallPerRound = 5
)

// lab is one run of it.
type lab struct {
	Options
	cluster *cluster.Cluster
	begun   time.Time
	// left is how many attacks have not begun yet.
	left  int
	crowd *load.Crowd
	runs  *load.Runs
	// targets is the run that buyers buy now, a fresh one for each round: on a run that is half sold long trips are
	// refused, and no attack is to blame.
	targets *load.Targets
	// server is the one that is attacked. lapsing is another, whose holds lapse soon.
	server, lapsing *servers.Program
	// attackedRun is what attackers look at. What buyers buy now is the first of targets.
	attackedRun    *load.Run
	watched, small []*load.Run
	soldOut        []soldOutTrain
	// ownToken and ownOrder are an attacker's own. buyersOrders are buyers'.
	ownToken, ownOrder string
	buyersOrders       []string
	// rest is the server's memory while buyers alone are there, in megabytes, and calm what they wait for then at p99,
	// in milliseconds.
	rest, calm float64
}

// Run plays the attacks on a cluster with one server, and compares the ledger with what buyers were told.
func Run(ctx context.Context, c *cluster.Cluster, o Options) (*Report, error) {
	chosen, err := choose(o.Only)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	l := &lab{Options: o, begun: begun, cluster: c, runs: &load.Runs{}, server: c.Servers()[0]}
	l.crowd = &load.Crowd{
		Journal: &load.Journal{}, Seed: rand.Uint64(),
		Accounts: &load.Accounts{Token: l.passenger},
	}
	report := &Report{
		StartedAt: begun.UTC(), Command: o.Command, Machine: sell.ThisMachine(), Seed: l.crowd.Seed,
		Seconds:          o.Window.Seconds(),
		OfferedPerSecond: o.PerSecond, MaxRatio: MaxRatio, MaxGrowthMegabytes: MaxGrowthMegabytes,
		Versions: map[string]string{
			string(c.Flavor()): c.Primary.Version(), "Redis": c.Cache.Version(), "Go": runtime.Version(),
			"commit": sell.Commit(),
		},
	}
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	for n, a := range chosen {
		l.left = len(chosen) - n - 1
		outcome, err := l.play(ctx, a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		report.Attacks = append(report.Attacks, outcome)
		if a.name == namesAttack {
			if report.Starts, err = l.readsInOneWay(ctx); err != nil {
				return nil, err
			}
		}
	}
	report.Problems = l.crowd.Journal.Problems()
	acknowledged := l.crowd.Journal.Acknowledged()
	report.Acknowledged = len(acknowledged)
	if report.Verify, report.Lost, err = sell.Verify(ctx, c, acknowledged, o.Log); err != nil {
		return nil, err
	}
	report.TookSeconds = time.Since(begun).Seconds()
	return report, nil
}

func (l *lab) passenger(name string) (string, error) {
	return load.PassengerTokens(l.cluster.Tokens())(name)
}

// ofRound is a small train that no other round has.
func (s *scene) ofRound(n int) *load.Run { return s.small[(s.round-1)*smallPerRound+n] }

// prepare puts everything on sale, starts the second server, and lets buyers buy until the server has what it has at
// rest.
func (l *lab) prepare(ctx context.Context) error {
	admin, err := load.AdminToken(l.cluster.Tokens())
	if err != nil {
		return err
	}
	server := l.server.Addr()
	forBuyers, err := load.Publish(ctx, server, admin, buyersTrain, load.SeatsPerClass, 1+maxRounds*len(Names()))
	if err != nil {
		return err
	}
	l.runs.Add(forBuyers)
	if l.targets, err = load.OneRun(l.runs); err != nil {
		return err
	}
	if l.watched, err = load.Publish(ctx, server, admin, watchedTrain, smallSeats, load.MaxDates); err != nil {
		return err
	}
	l.attackedRun = l.watched[0]
	if l.small, err = load.Publish(ctx, server, admin, smallTrain, smallSeats, smallDates); err != nil {
		return err
	}
	soldOut, err := load.PublishOneSeat(ctx, server, admin, soldOutTrainNumber, "3", "23B", maxRounds)
	if err != nil {
		return err
	}
	if l.lapsing, err = l.cluster.AddServerWith(ctx,
		cluster.ServerOptions{Args: []string{"--hold", lapsingHold.String()}}); err != nil {
		return err
	}
	for _, at := range []*servers.Program{l.server, l.lapsing} {
		if err := load.AwaitRun(ctx, at.Addr(), soldOut[len(soldOut)-1].ID); err != nil {
			return err
		}
	}
	if l.soldOut, err = l.sellOut(ctx, soldOut); err != nil {
		return err
	}
	if err := l.ownAnOrder(ctx); err != nil {
		return err
	}
	bought, err := l.sell(ctx, calmWindow)
	if err != nil {
		return err
	}
	l.rest, l.calm = residentMegabytes(l.server), bought.P99Milliseconds
	l.Log.Info("buyers alone", "memory_mb", int(l.rest), "p99_ms", l.calm)
	return l.findOrders(ctx, admin)
}

// ownAnOrder buys the attacker an order of nine.
func (l *lab) ownAnOrder(ctx context.Context) (err error) {
	if l.ownToken, err = l.passenger("attacker"); err != nil {
		return err
	}
	b, err := buy(ctx, l.server.Addr(), l.ownToken, wish{
		key: "attackers-own", run: l.attackedRun.ID, from: 0, to: load.Calls - 1, passengers: strangers("A", 0, party),
	})
	if err != nil || b.code != "" {
		return fmt.Errorf("the attacker's own order: %s: %w", b.code, err)
	}
	l.ownOrder = b.id
	return nil
}

// findOrders finds the ids of some orders of buyers.
func (l *lab) findOrders(ctx context.Context, admin string) error {
	var answer struct {
		Orders struct{ Nodes []struct{ ID string } }
	}
	err := load.API{Server: l.server.Addr(), Token: admin}.Ask(ctx, `{orders(filter:{},first:100){nodes{id}}}`,
		nil, &answer)
	for _, order := range answer.Orders.Nodes {
		l.buyersOrders = append(l.buyersOrders, order.ID)
	}
	if err == nil && len(l.buyersOrders) == 0 {
		err = errors.New("no buyer has an order")
	}
	return err
}

// play plays an attack, and once more where only the buyers' waits were too long.
func (l *lab) play(ctx context.Context, a *attack) (*Outcome, error) {
	o := &Outcome{Name: a.name, What: a.what, Connections: a.connections, MaxPerSecond: a.perSecond}
	for round := 1; round == 1 || o.again() && l.hasTime(2); round++ {
		r, err := l.round(ctx, a, round)
		if err != nil {
			return nil, err
		}
		o.Rounds = append(o.Rounds, r)
	}
	o.conclude()
	r := o.Rounds[len(o.Rounds)-1]
	l.Log.Info(a.name, "ok", o.OK, "rounds", len(o.Rounds), "requests_per_second", int(r.Attack.RequestsPerSecond),
		"p99_ms", r.Attack.Buyers.P99Milliseconds,
		"static_p99_ms", r.Static.Buyers.P99Milliseconds, "growth_mb", int(r.GrowthMegabytes), "wrong", o.Wrong,
		"slow", o.Slow)
	return o, nil
}

// hasTime tells whether there is time for so many more windows, and for all attacks that are left, once each.
func (l *lab) hasTime(windows int) bool {
	return l.Limit == 0 || time.Since(l.begun)+time.Duration(windows+2*l.left)*(l.Window+around)+reserve < l.Limit
}

// round plays an attack, and then as many static requests.
func (l *lab) round(ctx context.Context, a *attack, n int) (r *Round, err error) {
	r = &Round{}
	if l.targets, err = load.OneRun(l.runs); err != nil {
		return nil, err
	}
	if err := l.window(ctx, a, n, a.play, r, &r.Attack); err != nil {
		return nil, err
	}
	if err := l.recover(ctx); err != nil {
		return nil, err
	}
	if r.Static, err = l.beside(ctx, a, n, max(1, r.Attack.RequestsPerSecond)); err != nil {
		return nil, err
	}
	r.judge(l.rest)
	return r, nil
}

// beside is what an attack is compared with: as many static requests. In a window in which buyers waited much longer
// than alone, either something else disturbed them, or the requests were so many. So it is taken again, and the best
// counts: other load must not make an attack look cheap.
func (l *lab) beside(ctx context.Context, a *attack, n int, perSecond float64) (best Window, err error) {
	instead := *a
	instead.perSecond = perSecond
	for try := range maxRounds {
		var one Window
		if err := l.window(ctx, &instead, n, static, &Round{}, &one); err != nil {
			return best, err
		}
		if try == 0 || one.Buyers.P99Milliseconds < best.Buyers.P99Milliseconds {
			best = one
		}
		if best.Buyers.P99Milliseconds <= MaxRatio*l.calm || !l.hasTime(1) {
			break
		}
	}
	return best, nil
}

// recover starts the server anew where it has ended, or has much more than at rest.
func (l *lab) recover(ctx context.Context) error {
	select {
	case <-l.server.Done():
	default:
		if residentMegabytes(l.server) < l.rest+mayStay {
			return nil
		}
		limited, cancel := context.WithTimeout(ctx, stopTimeout)
		defer cancel()
		if err := l.server.Stop(limited); err != nil {
			l.Log.Warn("the attacked server did not end in order", "error", err)
		}
	}
	if err := l.server.Start(ctx); err != nil {
		return err
	}
	return load.AwaitRun(ctx, l.server.Addr(), l.attackedRun.ID)
}

// window lets buyers buy while attackers do something.
func (l *lab) window(
	ctx context.Context, a *attack, n int, do func(context.Context, *scene) error, r *Round, into *Window,
) error {
	if err := l.cluster.AwaitReplicas(ctx); err != nil {
		return err
	}
	s := &scene{lab: l, tally: newTally(), attack: a, pace: newPace(a.perSecond), round: n}
	into.BeforeMegabytes = residentMegabytes(l.server)
	watch := startMeter(l.server)
	attacking, cancel := context.WithDeadline(ctx, time.Now().Add(warmUp+l.Window))
	defer cancel()
	var all errgroup.Group
	all.Go(func() (err error) {
		into.Buyers, err = l.sell(ctx, l.Window)
		return err
	})
	all.Go(func() error {
		if !pause.For(attacking, warmUp) {
			return ctx.Err()
		}
		return do(attacking, s)
	})
	all.Go(func() error {
		pause.For(attacking, warmUp)
		before := l.answered(ctx)
		server, own := measureProcessors(l.server.Pid()), measureProcessors(os.Getpid())
		<-attacking.Done()
		into.ServerShare, into.LabShare = server.share(runtime.NumCPU()), own.share(runtime.NumCPU())
		into.RequestsPerSecond = max(float64(s.asked()), l.answered(ctx)-before) / l.Window.Seconds()
		return nil
	})
	err := all.Wait()
	watch.end()
	into.PeakMegabytes = watch.peak
	s.into(r)
	r.Killed = watch.killed
	select {
	case <-l.server.Done():
		r.Died = !r.Killed
	default:
	}
	return errors.Join(err, ctx.Err())
}

// sell lets buyers buy for one window.
func (l *lab) sell(ctx context.Context, window time.Duration) (*load.Result, error) {
	return load.Rush{
		Crowd: l.crowd, Targets: l.targets, Servers: []string{l.server.Addr()}, Buyers: buyers, WarmUp: warmUp,
		Window: window, PerSecond: l.PerSecond,
	}.Run(ctx)
}
