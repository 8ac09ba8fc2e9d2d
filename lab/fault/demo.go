package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/fault/check"
	"interlock/lab/fault/clients"
	"interlock/lab/fault/history"
	"interlock/lab/load"
	"interlock/services/rail"
)

// Demo is the name of the demo why Interlock exists: A buys a seat, the primary dies, and B is sold the same seat.
const Demo = "23B"

// Say is told each step of the demo.
type Say func(format string, args ...any)

// unprotected is a cluster without three protections: its servers take every commit for replicated, each has lock nodes
// of its own that always say yes, and none checks a run's version. The program that is shipped cannot be run like that.
var unprotected = Shape{Servers: 2, LockNodes: 3, LocksApart: true, Asynchronous: true, AnyVersion: true}

// tries is how many trains A and B want the last seat of at the same moment, until both are sold it. On most the later
// one finds it sold.
const tries = 16

// DemoUnprotected plays the demo on an unprotected cluster, which it spoils. First two buyers ask two servers for one
// seat at the same moment. Then the primary dies before the replicas have received A's order, and one of them takes its
// place. The result is OK when the promise was really broken both times and the checks caught it: a check that has
// never failed proves nothing.
func DemoUnprotected(ctx context.Context, s *Stage, say Say) (*Result, error) {
	p, done, err := s.startDemo(ctx, unprotected, "without protection")
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, playLimit)
	defer cancel()
	say("The members replicate asynchronously: an answer waits for no replica. The lock says yes to everybody, and " +
		"no server checks the version of what it sells, or whether a replica has it.")
	if err := execute(ctx, p.cluster.Primary, "SET GLOBAL rpl_semi_sync_source_enabled = OFF"); err != nil {
		return nil, err
	}
	if err := p.publishSeats(ctx, tries+1, say); err != nil {
		return nil, err
	}
	if err := p.sellTwice(ctx, say); err != nil {
		return nil, err
	}
	if err := p.lose(ctx, say); err != nil {
		return nil, err
	}
	p.result.OK = true
	return p.result, nil
}

// DemoProtected plays the same on a cluster as it should be: no replica has received A's order when the primary dies
// with all its data. No promise is kept by luck: A was told of no order.
func DemoProtected(ctx context.Context, s *Stage, say Say) (*Result, error) {
	p, done, err := s.startDemo(ctx, supervised, "with protection")
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, playLimit)
	defer cancel()
	say("Every commit waits for a replica, two supervisors look after three members, and servers check the version " +
		"of what they sell.")
	if err := p.publishSeats(ctx, 1, say); err != nil {
		return nil, err
	}
	if err := p.keep(ctx, say); err != nil {
		return nil, err
	}
	return p.result, nil
}

// startDemo prepares a cluster for a showing. done must be called.
func (s *Stage) startDemo(ctx context.Context, shape Shape, area string) (p *play, done func(), err error) {
	if err := s.prepare(ctx, shape); err != nil {
		return nil, nil, err
	}
	begun := time.Now()
	p = &play{cluster: s.cluster, train: "T12", log: s.Log, result: &Result{Name: Demo, Area: area}}
	return p, func() { p.result.TookSeconds = time.Since(begun).Seconds() }, nil
}

// publishSeats puts T12 on sale for some dates, with one seat in second class: what all have come for.
func (p *play) publishSeats(ctx context.Context, dates int, say Say) (err error) {
	admin, err := load.AdminToken(p.cluster.Tokens())
	if err != nil {
		return err
	}
	if p.runs, err = load.PublishOneSeat(ctx, p.cluster.Servers()[0].Addr(), admin, p.train, "3", "23B",
		dates); err != nil {
		return err
	}
	for _, s := range p.cluster.Servers() {
		if err := load.AwaitRun(ctx, s.Addr(), p.runs[dates-1].ID); err != nil {
			return err
		}
	}
	say("T12 from Beijing to Shanghai has one second-class seat left: coach 3, seat 23B.")
	return nil
}

// buyers starts a workload of buyers who know some servers.
func (p *play) buyers(ctx context.Context, from ...*servers.Program) (*clients.Workload, error) {
	o := clients.Options{Runs: p.runs, Token: load.PassengerTokens(p.cluster.Tokens())}
	for _, s := range from {
		o.Servers = append(o.Servers, s.Addr())
	}
	return clients.Open(ctx, o)
}

// seat is the one seat of the n-th run, as a buyer asks for it.
func (p *play) seat(who string, n int) clients.Want {
	return clients.Want{
		Run: p.runs[n], From: 0, To: 1, Class: rail.Second, Key: fmt.Sprintf("demo-%s-%d", who, n),
		Passengers: []rail.Passenger{{Name: "王秀英", DocumentNumber: fmt.Sprintf("S%s%05d", who, n)}},
	}
}

// sellTwice lets A and B ask two servers for the seat at the same moment, on one date after the other, until both have
// it.
func (p *play) sellTwice(ctx context.Context, say Say) error {
	workload, err := p.buyers(ctx, p.cluster.Servers()...)
	if err != nil {
		return err
	}
	defer workload.Close()
	for n := range tries {
		var a, b history.Call
		var failed [2]error
		var both sync.WaitGroup
		both.Go(func() { a, failed[0] = workload.Buy("A", 0, p.seat("A", n)) })
		both.Go(func() { b, failed[1] = workload.Buy("B", 1, p.seat("B", n)) })
		both.Wait()
		if err := errors.Join(failed[:]...); err != nil {
			return err
		}
		if a.Order == nil || b.Order == nil {
			continue
		}
		say("A and B ask two servers for it at the same moment. A is told: order %s, %s. B is told: "+
			"order %s, %s.",
			a.Order.Number, a.Order.Seats(), b.Order.Number, b.Order.Seats())
		overlap, _, _, err := p.checks(ctx, workload.Log().Calls(), n)
		if err != nil {
			return err
		}
		if overlap.OK {
			return errors.New("the seat was sold twice, and C1 did not see it")
		}
		p.result.Checks = append(p.result.Checks, overlap)
		p.caught(say, overlap)
		return nil
	}
	return fmt.Errorf("on %d trains no seat was sold twice: is the program built without the check of versions?", tries)
}

// lose kills the primary after A was told of an order that no replica has, and makes one of them the primary.
func (p *play) lose(ctx context.Context, say Say) error {
	c, last := p.cluster, len(p.runs)-1
	if err := c.AwaitReplicas(ctx); err != nil {
		return err
	}
	for _, replica := range c.Replicas {
		if err := execute(ctx, replica, "STOP REPLICA IO_THREAD"); err != nil {
			return err
		}
	}
	say("Another day's T12, the same seat. The replicas receive nothing for a moment.")
	calls, err := p.buyOne(ctx, "A", last, c.Servers()[0], say)
	if err != nil {
		return err
	}
	heir, err := p.replace(ctx, say)
	if err != nil {
		return err
	}
	second, err := p.buyOne(ctx, "B", last, heir, say)
	if err != nil {
		return err
	}
	calls = append(calls, second...)
	_, kept, linear, err := p.checks(ctx, calls, last)
	if err != nil {
		return err
	}
	p.result.count(calls)
	p.result.Checks = append(p.result.Checks, kept, linear)
	if kept.OK || linear.OK {
		return errors.New("the checks did not see that A's order was lost and B was sold its seat")
	}
	p.caught(say, kept, linear)
	return nil
}

// buyOne lets one buyer buy the seat at a server.
func (p *play) buyOne(ctx context.Context, who string, n int, at *servers.Program, say Say) ([]history.Call, error) {
	workload, err := p.buyers(ctx, at)
	if err != nil {
		return nil, err
	}
	defer workload.Close()
	c, err := workload.Buy(who, 0, p.seat(who, n))
	if err != nil {
		return nil, err
	}
	if c.Order == nil {
		return nil, fmt.Errorf("%s got no ticket: %s %s %s", who, c.Outcome, c.Code, c.Problem)
	}
	say("%s is told: order %s, %s.", who, c.Order.Number, c.Order.Seats())
	return workload.Log().Calls(), nil
}

// replace kills the primary, and makes a replica one that has not received what was sold last, as a person in a hurry
// would.
func (p *play) replace(ctx context.Context, say Say) (*servers.Program, error) {
	c := p.cluster
	say("The primary dies. A replica takes its place.")
	if err := c.Primary.Kill(); err != nil {
		return nil, err
	}
	heir := c.Replicas[0]
	for _, statement := range []string{
		"STOP REPLICA", "SET GLOBAL super_read_only = OFF",
		"SET GLOBAL read_only = OFF",
	} {
		if err := execute(ctx, heir, statement); err != nil {
			return nil, err
		}
	}
	c.Primary, c.Replicas = heir, nil
	server, err := c.AddServer(ctx)
	if err != nil {
		return nil, err
	}
	return server, load.AwaitRun(ctx, server.Addr(), p.runs[0].ID)
}

// keep has the same happen to a cluster that is protected.
func (p *play) keep(ctx context.Context, say Say) error {
	workload, err := p.buyers(ctx, p.cluster.Servers()...)
	if err != nil {
		return err
	}
	defer workload.Close()
	first, err := p.buyAcrossDeath(ctx, workload, say)
	if err != nil {
		return err
	}
	b, err := workload.Buy("B", 1, p.seat("B", 0))
	if err != nil {
		return err
	}
	if b.Outcome != history.Refused {
		return fmt.Errorf("buyer B was told %s %s", b.Outcome, b.Code)
	}
	say("B asks for a seat, and is told %s.", b.Code)
	calls := workload.Log().Calls()
	overlap, kept, linear, err := p.checks(ctx, calls, 0)
	if err != nil {
		return err
	}
	p.result.count(calls)
	p.result.Checks = []*check.Result{overlap, kept, linear}
	p.result.OK = overlap.OK && kept.OK && linear.OK && first.Outcome == history.Pending
	if !p.result.OK {
		return fmt.Errorf("a promise was broken: %s", p.result.Text())
	}
	say("The checks find nothing: one order, one seat, and every answer true.")
	return nil
}

// purchase is what came of a Buy.
type purchase struct {
	call history.Call
	err  error
}

// buyAcrossDeath lets A buy while the replicas are frozen, and kills the primary with its data before they thaw. A asks
// with the same key until the order is there. first is the first answer.
func (p *play) buyAcrossDeath(
	ctx context.Context, workload *clients.Workload, say Say,
) (first history.Call, err error) {
	victim, err := primaryOf(ctx, p.cluster)
	if err != nil {
		return first, err
	}
	if err := p.signalReplicas(victim, syscall.SIGSTOP); err != nil {
		return first, errors.Join(err, p.signalReplicas(victim, syscall.SIGCONT))
	}
	asked := make(chan purchase, 1)
	go func() {
		call, err := workload.Buy("A", 0, p.seat("A", 0))
		asked <- purchase{call, err}
	}()
	first = p.awaitAnswer(ctx, workload)
	say("The replicas are frozen. A buys: the primary has taken the seat, no replica has. A is told %s: ask again "+
		"with "+
		"the same key.", first.Code)
	killed := time.Now()
	err = errors.Join(
		victim.Kill(), os.RemoveAll(victim.DataFolder()), p.signalReplicas(victim, syscall.SIGCONT))
	if err != nil {
		return first, err
	}
	say("The primary dies, and its data with it. The replicas thaw.")
	a := <-asked
	if a.err != nil {
		return first, a.err
	}
	order := a.call.Order
	if order == nil {
		return first, fmt.Errorf("buyer A got no ticket: %s %s %s", a.call.Outcome, a.call.Code, a.call.Problem)
	}
	now, err := primaryOf(ctx, p.cluster)
	if err != nil {
		return first, err
	}
	say("The supervisor opens %s instead of %s. %.1f s after the death A's key is answered: order %s, %s.",
		now.Addr(), victim.Addr(), a.call.End.Sub(killed).Seconds(), order.Number, order.Seats())
	return first, nil
}

// awaitAnswer waits for the first answer to any client. It is empty when ctx ends before.
func (p *play) awaitAnswer(ctx context.Context, workload *clients.Workload) history.Call {
	for ctx.Err() == nil {
		if calls := workload.Log().Calls(); len(calls) > 0 {
			return calls[0]
		}
		pause.For(ctx, derivedPoll)
	}
	return history.Call{}
}

func (p *play) signalReplicas(primary *servers.SQLServer, sig syscall.Signal) error {
	var errs []error
	for _, m := range p.cluster.Members().Servers {
		if m != primary {
			errs = append(errs, m.Signal(sig))
		}
	}
	return errors.Join(errs...)
}

// checks compare what A and B were told of the n-th run with what the primary has of it now.
func (p *play) checks(
	ctx context.Context, calls []history.Call, n int,
) (overlap, kept, linear *check.Result, err error) {
	e, err := openEvidence(ctx, p.cluster, p.train, p.runs[n:n+1])
	if err != nil {
		return nil, nil, nil, err
	}
	defer e.Close()
	if n > 0 {
		e.after = p.runs[n-1].RunID
	}
	calls = slices.DeleteFunc(calls, func(c history.Call) bool { return c.Run != p.runs[n].RunID })
	snapshots, err := e.snapshots(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	tickets, err := e.tickets(ctx, e.primary)
	if err != nil {
		return nil, nil, nil, err
	}
	primary := history.Member{Name: e.primary.Addr(), Tickets: tickets}
	linear, _ = check.Linear(calls, primary, snapshots, 0, searchLimit)
	return check.Overlap([]history.Member{primary}), check.Kept(calls, primary), linear, nil
}

// caught tells what checks found.
func (p *play) caught(say Say, found ...*check.Result) {
	for _, c := range found {
		say("%s catches it: %s.", c.Name, strings.Join(c.Examples, "; "))
	}
}
