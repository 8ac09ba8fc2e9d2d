package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"interlock/cmd/lab/fault/actors"
	"interlock/cmd/lab/fault/check"
	"interlock/cmd/lab/fault/history"
	"interlock/cmd/lab/load"
	"interlock/services/rail"
)

// Story is the name of the story why Interlock exists: A buys a seat, the primary dies, and B is sold the same seat.
const Story = "23B"

// unprotected is a cluster whose servers trust one disk, as they do where nobody asks for replication.
var unprotected = Shape{Servers: 1, LockNodes: 3, Unprotected: true}

const (
	// storyTrain is sold to nobody else, storyStream makes A and B want the same.
	storyTrain  = "T12"
	storyStream = 12
)

// TellUnprotected tells the story on an unprotected cluster, which it spoils: replication is made asynchronous, the replicas
// have not received A's order when the primary dies, and one of them takes its place. The line is OK when the promise was
// really broken and the checks caught it, since a check that has never failed proves nothing.
func TellUnprotected(ctx context.Context, s *Stage, say func(string)) (*Line, error) {
	if err := s.prepare(ctx, unprotected); err != nil {
		return nil, err
	}
	c := s.cluster
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, playLimit)
	defer cancel()
	say("the members replicate asynchronously: an answer waits for nobody")
	if err := execute(ctx, c.Primary, "SET GLOBAL rpl_semi_sync_source_enabled = OFF"); err != nil {
		return nil, err
	}
	p := &play{cluster: c, train: storyTrain, log: s.Log, line: &Line{Name: Story, Area: "without protection"}}
	if err := p.publish(ctx); err != nil {
		return nil, err
	}
	if err := c.Settle(ctx); err != nil {
		return nil, err
	}
	for _, replica := range c.Replicas {
		if err := execute(ctx, replica, "STOP REPLICA IO_THREAD"); err != nil {
			return nil, err
		}
	}
	calls, err := p.buyOne(ctx, "A", say)
	if err != nil {
		return nil, err
	}
	if err := p.replace(ctx, say); err != nil {
		return nil, err
	}
	second, err := p.buyOne(ctx, "B", say)
	if err != nil {
		return nil, err
	}
	calls = append(calls, second...)
	if err := p.catch(ctx, calls, say); err != nil {
		return nil, err
	}
	p.line.TookSeconds = time.Since(begun).Seconds()
	return p.line, nil
}

// buyOne lets one buyer buy one ticket at the newest server.
func (p *play) buyOne(ctx context.Context, who string, say func(string)) ([]history.Call, error) {
	all := p.cluster.Servers()
	room, err := actors.Open(ctx, actors.Options{
		Servers: []string{all[len(all)-1].Addr()}, Runs: p.runs[:1], Seed: storyStream,
		Token: func(subject string) (string, error) {
			return p.cluster.Tokens().Issue(subject, []rail.Role{rail.RolePassenger}, tokenLife)
		},
	})
	if err != nil {
		return nil, err
	}
	defer room.Close()
	if err := room.Together(ctx, who, 1, storyStream); err != nil {
		return nil, err
	}
	calls := room.Log().Calls()
	last := calls[len(calls)-1]
	if last.Order == nil {
		return nil, fmt.Errorf("%s got no ticket: %s %s", who, last.Outcome, last.Problem)
	}
	say(fmt.Sprintf("%s buys %s from %s to %s: order %s, coach %s seat %s", who, last.Run, load.StationCode(last.From),
		load.StationCode(last.To), last.Order.Number, last.Order.Coach, last.Order.Seat))
	return calls, nil
}

// replace kills the primary, and makes a replica one that has not received what was sold last.
func (p *play) replace(ctx context.Context, say func(string)) error {
	c := p.cluster
	say("the primary dies, before the replicas have received it; one of them takes its place")
	if err := c.Primary.Kill(); err != nil {
		return err
	}
	heir := c.Replicas[0]
	for _, statement := range []string{"STOP REPLICA", "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF"} {
		if err := execute(ctx, heir, statement); err != nil {
			return err
		}
	}
	c.Primary, c.Replicas = heir, nil
	server, err := c.AddServer(ctx)
	if err != nil {
		return err
	}
	return load.AwaitRun(ctx, server.Addr(), p.runs[0].ID)
}

// catch holds what A and B were told against what is left.
func (p *play) catch(ctx context.Context, calls []history.Call, say func(string)) error {
	e, err := gather(ctx, p.cluster, p.train, p.runs)
	if err != nil {
		return err
	}
	defer e.Close()
	books, err := e.books(ctx)
	if err != nil {
		return err
	}
	tickets, err := e.tickets(ctx, e.primary)
	if err != nil {
		return err
	}
	heir := history.Member{Name: e.primary.Addr(), Tickets: tickets}
	kept := check.Kept(calls, heir)
	linear, _ := check.Linear(calls, heir, books, searchLimit)
	p.line.count(calls)
	p.line.Checks = []*check.Result{check.Overlap([]history.Member{heir}), kept, linear}
	for _, c := range []*check.Result{kept, linear} {
		for _, example := range c.Examples {
			say(c.Name + " catches it: " + example)
		}
	}
	p.line.OK = !kept.OK && !linear.OK
	if !p.line.OK {
		return errors.New("nothing was lost or sold twice, or the checks did not see it")
	}
	return nil
}
