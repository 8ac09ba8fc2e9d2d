package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/fault/check"
	"interlock/lab/fault/history"
)

// proxied is a cluster in which proxies can keep servers and members from hearing each other. Faults that need an
// ordinary or a supervised cluster can be injected into it, too.
var proxied = Shape{Servers: 2, LockNodes: 3, Supervisors: 2, Proxied: true, MessagesApart: true}

const (
	// holeLast is longer than a commit may take, and than MySQL keeps an idle sale.
	holeLast = 5 * time.Second
	// slowBy is how much later each answer of the primary comes, and stallBy how much in a stall: less than a statement
	// may take, and more than a commit's share of it.
	slowBy, stallBy = 200 * time.Millisecond, 1500 * time.Millisecond
	// slowPatience is how long people wait then.
	slowPatience = 12 * time.Second
	// stallEvery is how often there is a stall. It lasts as long as it delays.
	stallEvery = 4500 * time.Millisecond
)

// proxiesToPrimary are the ways to the primary of one server, or of all where it is nil.
func (s *Scene) proxiesToPrimary(ctx context.Context, of *servers.Program) (proxies []*cluster.Proxy, err error) {
	primary, err := primaryOf(ctx, s.Cluster)
	if err != nil {
		return nil, err
	}
	for _, p := range s.Cluster.Proxies() {
		if p.Member == primary && (of == nil || of == p.Server) {
			proxies = append(proxies, p)
		}
	}
	if len(proxies) == 0 {
		return nil, errors.New("there is no link to the primary")
	}
	return proxies, nil
}

func healProxies(ctx context.Context, proxies []*cluster.Proxy) {
	for _, p := range proxies {
		p.Heal(ctx)
	}
}

// swallow makes everything vanish on some proxies. heal heals them, and returns how many bytes have vanished.
func swallow(ctx context.Context, proxies []*cluster.Proxy) (heal func(context.Context) (up, down int64), err error) {
	for _, p := range proxies {
		if err := p.Swallow(); err != nil {
			healProxies(ctx, proxies)
			return nil, err
		}
	}
	return func(ctx context.Context) (up, down int64) {
		for _, p := range proxies {
			ofServer, ofMember := p.Swallowed()
			up, down = up+ofServer, down+ofMember
		}
		healProxies(ctx, proxies)
		return up, down
	}, nil
}

// blackHole lets everything vanish that servers and the primary say to each other. No connection is closed: each side
// has to notice by itself.
func blackHole() Fault {
	return Fault{
		Name: "database_black_hole", Area: databaseArea, Shape: proxied, Lasts: holeLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			proxies, err := s.proxiesToPrimary(ctx, nil)
			if err != nil {
				return nil, err
			}
			heal, err := swallow(ctx, proxies)
			if err != nil {
				return nil, err
			}
			from := time.Now()
			return func(ctx context.Context) (Injected, error) {
				to := time.Now()
				calls := s.Workload.Log().Calls()
				closed, err := s.untilReplaced(ctx, proxies[0].Member, to)
				placed, _, _ := orderTimes(slices.DeleteFunc(slices.Clone(calls),
					func(c history.Call) bool { return c.End.After(closed) }), from)
				up, down := heal(ctx)
				proof := Injected{Fired: up > 0 && underway(calls, "", from) > 0, Facts: map[string]any{
					"bytes_to_primary_lost": up, "bytes_from_primary_lost": down,
					"calls_under_way": underway(calls, "", from),
					"told_pending":    told(calls, history.Pending, "", from), "seconds": to.Sub(from).Seconds(),
				}}
				if placed > 0 {
					proof.Unsafe = append(proof.Unsafe,
						fmt.Sprintf("%d orders were told that no primary can have committed", placed))
				}
				proof.Broken = searched(calls, from, proof.Facts)
				return proof, err
			}, nil
		},
	}
}

// untilReplaced is when another member was opened in place of one, and end where none was. Beside other faults, the
// supervisor may have opened one whose proxies let all pass.
func (s *Scene) untilReplaced(ctx context.Context, member *servers.SQLServer, end time.Time) (time.Time, error) {
	now, err := primaryOf(ctx, s.Cluster)
	if err != nil || now == member {
		return end, nil // without a primary there is no commit
	}
	return openedAt(ctx, now)
}

// databaseSlow delays every answer of the primary by 200 ms, and stalls again and again. A batch that gives holds back
// makes ten round trips: two seconds, and perhaps a stall. The next batch on the run waits for it. A client that gives
// up after four seconds would miss its answer and come back for another batch. So clients wait longer here.
func databaseSlow() Fault {
	return Fault{
		Name: "database_slow", Area: databaseArea, Shape: proxied, Lasts: 20 * time.Second, Late: stallBy,
		Patience: slowPatience,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			proxies, err := s.proxiesToPrimary(ctx, nil)
			if err != nil {
				return nil, err
			}
			delay := func(by time.Duration) error {
				var errs []error
				for _, p := range proxies {
					errs = append(errs, p.Delay(by))
				}
				return errors.Join(errs...)
			}
			if err := delay(slowBy); err != nil {
				healProxies(ctx, proxies)
				return nil, err
			}
			begun := time.Now()
			ctx, stop := context.WithCancel(ctx)
			stalls, done := 0, make(chan error, 1)
			go func() {
				var errs []error
				for pause.For(ctx, stallEvery-stallBy); ctx.Err() == nil; pause.For(ctx, stallEvery-stallBy) {
					errs = append(errs, delay(stallBy))
					stalls++
					pause.For(ctx, stallBy)
					errs = append(errs, delay(slowBy))
				}
				done <- errors.Join(errs...)
			}()
			return func(ctx context.Context) (Injected, error) {
				calls := s.Workload.Log().Calls()
				stop()
				err := <-done
				healProxies(ctx, proxies)
				placed, fastest, slowest := orderTimes(calls, begun)
				proof := Injected{Fired: placed > 0 && fastest >= slowBy && stalls > 0, Facts: map[string]any{
					"stalls": stalls, "placed_meanwhile": placed, "fastest_order_ms": fastest.Milliseconds(),
					"slowest_order_ms": slowest.Milliseconds(), "told_pending": told(calls, history.Pending, "", begun),
				}}
				if placed == 0 {
					proof.Broken = append(proof.Broken, "nothing was sold while the database was slow")
				}
				return proof, err
			}, nil
		},
	}
}

// serverPartitioned keeps one server from the primary while the others reach it: they must sell the same runs.
func serverPartitioned() Fault {
	return Fault{
		Name: "server_partitioned", Area: databaseArea, Shape: proxied, Lasts: frozenLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim := s.Cluster.Servers()[s.anyServer()]
			proxies, err := s.proxiesToPrimary(ctx, victim)
			if err != nil {
				return nil, err
			}
			heal, err := swallow(ctx, proxies)
			if err != nil {
				return nil, err
			}
			from := time.Now()
			return func(ctx context.Context) (Injected, error) {
				to := time.Now()
				up, down := heal(ctx)
				calls := s.Workload.Log().Calls()
				under := underway(calls, victim.Addr(), from)
				proof := Injected{Fired: up > 0 && under > 0, Facts: map[string]any{
					"bytes_to_primary_lost": up, "bytes_from_primary_lost": down, "calls_under_way": under,
					"told_pending":     told(calls, history.Pending, victim.Addr(), from),
					"told_unavailable": told(calls, history.Unavailable, victim.Addr(), from),
				}}
				for _, run := range s.Workload.Runs() {
					after, ok := soldAgain(calls, run.RunID, victim.Addr(), from, to)
					proof.Facts["sold_again_seconds "+string(run.RunID)] = after.Seconds()
					if !ok || after > sellAgain {
						proof.Broken = append(proof.Broken,
							fmt.Sprintf("%s was not sold again within %v by the others", run.RunID, sellAgain))
					}
				}
				return proof, nil
			}, nil
		},
	}
}

// told is how many answers had an outcome from a moment on, of one server or of all where it is "".
func told(calls []history.Call, outcome history.Outcome, server string, from time.Time) (n int) {
	for _, c := range calls {
		if c.Outcome == outcome && c.End.After(from) && (server == "" || c.Server == server) {
			n++
		}
	}
	return n
}

// searched notes how many searches were begun after a moment and how many of them failed. wrong says so where searching
// stopped.
func searched(calls []history.Call, from time.Time, facts map[string]any) (wrong []string) {
	n, failed, stopped := check.Searched(calls, from)
	facts["searches"], facts["searches_failed"] = n, failed
	if stopped {
		wrong = append(wrong, "searching stopped")
	}
	return wrong
}

// orderTimes are how many orders were asked for and told after a moment, and how long the fastest and the slowest took.
func orderTimes(calls []history.Call, from time.Time) (placed int, fastest, slowest time.Duration) {
	for _, c := range calls {
		if c.Kind != history.Place || c.Outcome != history.Done || c.Start.Before(from) {
			continue
		}
		took := c.End.Sub(c.Start)
		if placed == 0 || took < fastest {
			fastest = took
		}
		placed, slowest = placed+1, max(slowest, took)
	}
	return placed, fastest, slowest
}
