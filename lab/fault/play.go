package fault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"interlock/cmd/interlock/failpoints/effects"
	"interlock/internal/pause"
	"interlock/lab/cluster"
	"interlock/lab/fault/check"
	"interlock/lab/fault/clients"
	"interlock/lab/load"
	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

const (
	// playLimit bounds one fault, from its first buyer to its last check.
	playLimit = 90 * time.Second
	// healLimit bounds healing, also where the rest has run out of time: nothing may stay broken.
	healLimit = 30 * time.Second
	// warmUp is until connections are open and every worker knows its run.
	warmUp = 2 * time.Second
	// judged is how long calls are looked at after the recovery.
	judged = 4 * time.Second
	// leaveLimit is for all clients to learn the outcome of what they have asked for.
	leaveLimit = 20 * time.Second
	// searchLimit bounds porcupine.
	searchLimit = 10 * time.Second
	// sweep is until holds that ran out have been swept.
	sweep = 3 * time.Second
)

// The people in the workload: few enough for two cores that run the whole cluster, enough that every moment has a batch
// under way.
const (
	buyers      = 24
	searchers   = 3
	subscribers = 12
	// impatient are so many of the buyers. One that waits as it is told may ask again only when the primary has been
	// replaced.
	impatient = 4
	// fewBuyers buy beside thousands of subscribers, each of whom is told of every batch.
	fewBuyers = 6
	think     = 20 * time.Millisecond
	// rushThink is for hundreds of buyers, who are as slow as people: with it a thousand ask for 300 seats a second.
	rushThink = 3 * time.Second
	// runs is how many are sold. seatsPerClass is how large they are: small enough to sell out in some places.
	// rushSeatsPerClass is for hundreds of buyers: something must be left when it is looked whether buying goes on.
	runs              = 2
	seatsPerClass     = 256
	rushSeatsPerClass = 4_096
)

// Play plays one fault on a cluster of its shape. The seed chooses victims and what people want. number makes the
// train's number: no two plays on one cluster may have the same. What goes wrong is in the result.
func Play(ctx context.Context, c *cluster.Cluster, f Fault, seed uint64, number int, log *slog.Logger) *Result {
	begun := time.Now()
	result := &Result{Name: f.Name, Area: f.Area, Seed: seed}
	ctx, cancel := context.WithTimeout(ctx, playLimit+f.Slow)
	defer cancel()
	p := &play{cluster: c, fault: f, seed: seed, train: fmt.Sprintf("F%d", number), log: log, result: result}
	if err := p.run(ctx); err != nil {
		result.Problem = err.Error()
	}
	result.TookSeconds = time.Since(begun).Seconds()
	result.judge()
	return result
}

// play is one fault being played.
type play struct {
	cluster *cluster.Cluster
	fault   Fault
	seed    uint64
	train   string
	log     *slog.Logger
	result  *Result

	runs []*load.Run
	// quiet is one more, which no client buys.
	quiet    *load.Run
	workload *clients.Workload
	scene    *Scene
	// broken and healed are when the fault began and when it was healed. rest is when the last change was over.
	broken, healed, judgedUntil, rest time.Time
	before, after                     []check.Resources
	// money is what came of all money, and payments are all of them at the end; nil where payments are instant.
	money    *check.Result
	payments []*pay.Payment
	// caughtUp is how long after the healing Redis had what the ledger has of the runs.
	caughtUp time.Duration
}

func (p *play) close() {
	p.workload.Close()
	_ = p.scene.log.Close() // It was only read.
}

func (p *play) run(ctx context.Context) error {
	if err := p.publish(ctx); err != nil {
		return err
	}
	if err := p.open(ctx); err != nil {
		return err
	}
	defer p.close()
	if err := p.breakAndHeal(ctx); err != nil {
		return err
	}
	if err := p.recover(ctx); err != nil {
		return err
	}
	// From the last change on Redis has to be right, at once: so what it is compared with is opened before.
	e, err := openEvidence(ctx, p.cluster, p.train, p.runs)
	if err != nil {
		return fmt.Errorf("gathering the evidence: %w", err)
	}
	defer e.Close()
	if err := p.leave(ctx, e); err != nil {
		return err
	}
	return p.judge(ctx, e)
}

// publish puts fresh runs on sale at every server.
func (p *play) publish(ctx context.Context) error {
	admin, err := load.AdminToken(p.cluster.Tokens())
	if err != nil {
		return err
	}
	first, seats := p.cluster.Servers()[0].Addr(), seatsPerClass
	if p.fault.Buyers > 0 {
		seats = rushSeatsPerClass
	}
	if p.runs, err = load.Publish(ctx, first, admin, p.train, seats, runs+1); err != nil {
		return err
	}
	p.runs, p.quiet = p.runs[:runs], p.runs[runs]
	for _, s := range p.cluster.Servers() {
		if err := load.AwaitRun(ctx, s.Addr(), p.quiet.ID); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) open(ctx context.Context) (err error) {
	o := clients.Options{
		Runs: p.runs, Buyers: buyers, Impatient: impatient, Searchers: searchers, Subscribers: subscribers,
		Pause: think, Patience: p.fault.Patience, Seed: p.seed,
		Token: load.PassengerTokens(p.cluster.Tokens()),
	}
	if n := p.fault.Buyers; n > 0 {
		o.Buyers, o.BuyersPause = n, rushThink
	}
	if p.fault.Subscribers > 0 {
		o.Subscribers, o.Buyers = p.fault.Subscribers, fewBuyers
	}
	if hold := p.fault.Shape.Hold; hold > 0 && !p.fault.Shape.Bank {
		o.Dawdle = 2 * hold // half of the buyers come too late
	}
	o.Bank, o.Returns, o.Mails = p.fault.Shape.Bank, p.fault.Returns, p.fault.Shape.Notify
	for _, s := range p.cluster.Servers() {
		o.Servers = append(o.Servers, s.Addr())
	}
	if balancer := p.cluster.Balancer(); balancer != nil {
		o.Servers = []string{balancer.Addr()}
	}
	noted, err := effects.Open(ctx, p.cluster.Effects())
	if err != nil {
		return err
	}
	if p.workload, err = clients.Open(ctx, o); err != nil {
		return errors.Join(err, noted.Close())
	}
	p.scene = &Scene{
		Cluster: p.cluster, Workload: p.workload, Random: rand.New(rand.NewPCG(p.seed, 1)), Seed: p.seed, Log: p.log,
		log: noted,
	}
	return nil
}

// breakAndHeal injects the fault, and heals it after its time.
func (p *play) breakAndHeal(ctx context.Context) (err error) {
	pause.For(ctx, warmUp)
	for p.workload.Following() < p.fault.Subscribers && ctx.Err() == nil {
		pause.For(ctx, derivedPoll)
	}
	if p.before, err = least(ctx, p.cluster); err != nil {
		return err
	}
	if err := p.setQuiet(ctx, load.Suspend); err != nil {
		return err
	}
	// A random part of a second: no two seeds meet the sale in the same place.
	pause.For(ctx, time.Duration(p.scene.Random.Int64N(int64(time.Second/2))))
	p.log.Info("breaking", "fault", p.fault.Name, "seed", p.seed)
	p.broken = time.Now()
	heal, err := p.fault.Inject(ctx, p.scene)
	if err != nil {
		if heal != nil {
			_, healing := p.heal(ctx, heal)
			err = errors.Join(err, healing)
		}
		return fmt.Errorf("injecting it: %w", err)
	}
	pause.For(ctx, p.fault.Lasts)
	injected, err := p.heal(ctx, heal)
	if err != nil {
		return fmt.Errorf("healing it: %w", err)
	}
	p.result.Injected = &injected
	p.healed = time.Now()
	p.log.Info("healed", "fault", p.fault.Name, "fired", injected.Fired, "facts", injected.text())
	return ctx.Err()
}

func (p *play) heal(ctx context.Context, heal Heal) (Injected, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healLimit)
	defer cancel()
	return heal(ctx)
}

// recover lets the sale go on until it has to be well again, and for as long as it is judged then.
func (p *play) recover(ctx context.Context) (err error) {
	p.caughtUp = caughtUp(ctx, p.cluster, p.runs, p.healed)
	pause.For(ctx, time.Until(p.healed.Add(check.RecoverTime+max(p.fault.Judged, judged))))
	for _, look := range p.scene.later {
		p.result.Injected.Broken = append(p.result.Injected.Broken, look(ctx)...)
	}
	if p.after, err = least(ctx, p.cluster); err != nil {
		return err
	}
	return p.setQuiet(ctx, load.Resume)
}

// leave ends all clients that change something, and waits until all money is where it belongs.
func (p *play) leave(ctx context.Context, e *evidence) (err error) {
	p.judgedUntil = time.Now()
	leaving, cancel := context.WithTimeout(ctx, leaveLimit)
	defer cancel()
	p.workload.Leave(leaving)
	if hold := p.fault.Shape.Hold; hold > 0 {
		pause.For(ctx, hold+sweep) // what is left on hold is to have ended
	}
	if p.fault.Shape.Bank {
		if p.money, err = p.settleMoney(ctx, e); err != nil {
			return err
		}
	}
	p.rest = time.Now()
	return ctx.Err()
}

// judge holds everything against everything.
func (p *play) judge(ctx context.Context, e *evidence) error {
	e.deleted = p.scene.deleted
	snapshots, derived, err := e.derived(ctx, p.rest, check.DerivedTimes{
		Healed: p.caughtUp, HealedLimit: p.fault.RedisLate, Why: p.fault.RedisWhy,
	})
	if err != nil {
		return fmt.Errorf("comparing Redis: %w", err)
	}
	last := map[rail.RunID]int64{}
	for _, b := range snapshots {
		last[b.Run.ID] = b.Version
	}
	streams := p.streams(ctx, last)
	told, err := p.events(ctx, e)
	if err != nil {
		return fmt.Errorf("reading what consumers were told: %w", err)
	}
	if p.fault.Shape.Notify {
		if err := p.notified(ctx, e, told); err != nil {
			return fmt.Errorf("reading what buyers and partners were told: %w", err)
		}
	}
	members, err := e.members(ctx)
	if err != nil {
		return fmt.Errorf("reading the members: %w", err)
	}
	calls := p.workload.Log().Calls()
	for i := range calls {
		calls[i].Withdrawn = slices.ContainsFunc(snapshots, func(s *ledger.AuditSnapshot) bool {
			return s.Run.ID == calls[i].Run && s.Run.Status == rail.Withdrawn
		})
	}
	p.result.count(calls)
	p.result.OutageSeconds = check.Outage(calls, p.broken, p.judgedUntil).Seconds()
	linear, wrongNo := check.Linear(calls, members[0], snapshots, p.fault.Late, searchLimit)
	p.result.Checks = []*check.Result{
		check.Overlap(members), check.Kept(calls, members[0]), check.Refused(calls, members[0]),
		check.Resolved(calls, members[0], p.healed),
		linear, check.Capacity(snapshots), derived, streams, check.Returned(p.before, p.after),
		check.Unreplicated(calls, p.scene.alone, p.fault.Late),
		check.Success(calls, p.healed, p.judgedUntil.Add(-think), wrongNo),
		told,
	}
	if p.money != nil {
		p.result.Checks = append(p.result.Checks, p.money)
	}
	return nil
}

// streams looks at the subscribers until they have the last versions, or their time is over.
func (p *play) streams(ctx context.Context, last map[rail.RunID]int64) *check.Result {
	defer p.workload.Unfollow()
	for {
		result := check.Streams(p.workload.Log().Streams(), last, p.rest)
		if result.OK || time.Since(p.rest) > check.ReachTime || ctx.Err() != nil {
			return result
		}
		pause.For(ctx, derivedPoll)
	}
}
