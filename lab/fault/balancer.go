package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/fault/history"
	"interlock/lab/load"
)

// balanced is a cluster whose clients know HAProxy alone. In wayward proxies can keep it and its servers from hearing
// each other.
var (
	balanced = Shape{Servers: 2, LockNodes: 3, MessagesApart: true, Balanced: true}
	wayward  = Shape{Servers: 2, LockNodes: 3, MessagesApart: true, Balanced: true, Proxied: true}
)

const (
	// sockets is how many follow a run over WebSockets, and note how these end.
	sockets = 24
	// restartLimit bounds a server's end, its start, and its being found well.
	restartLimit = 30 * time.Second
	// wayLost is for how long a server is not heard. Its buyers have asked again by then, and the balancer leaves it out.
	wayLost = 20 * time.Second
	// leftOut is within what the balancer leaves a silent server out: two looks of three seconds, and a pause.
	leftOut = 8 * time.Second
)

// rollingRestart restarts every server in order, one after the other, as an upgrade does. Each is back before the next
// one goes. No request fails that a client's one retry does not save, and no stream ends without being told to go.
func rollingRestart() Fault {
	return Fault{
		Name: "rolling_restart", Area: balancerArea, Shape: balanced, Lasts: time.Second, Alone: true,
		Slow: 2 * restartLimit,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			since := time.Now()
			watchers := s.openSockets(ctx)
			if err := watchers.await(ctx); err != nil {
				return nil, errors.Join(err, watchers.close())
			}
			for n, server := range s.Cluster.Servers() {
				if err := s.restart(ctx, n, server); err != nil {
					return nil, errors.Join(err, watchers.close())
				}
			}
			return func(context.Context) (Injected, error) {
				err := watchers.close()
				calls := s.Workload.Log().Calls()
				failed, twice := failures(calls, since)
				proof := Injected{
					Fired: watchers.codes[websocket.StatusGoingAway] >= sockets,
					Facts: map[string]any{
						"requests": len(history.ByRequest(calls)), "attempts_failed": failed, "sockets_ended": watchers.codes,
						"seconds": time.Since(since).Seconds(),
					},
				}
				for _, one := range twice {
					proof.Broken = append(proof.Broken, "one retry did not save it: "+one)
				}
				for code, n := range watchers.codes {
					if code != websocket.StatusGoingAway {
						proof.Broken = append(proof.Broken, fmt.Sprintf("%d WebSockets ended with %d, not 1001", n, code))
					}
				}
				return proof, err
			}, nil
		},
	}
}

// restart ends a server in order, starts it again, and waits until the balancer takes it for well.
func (s *Scene) restart(ctx context.Context, n int, server *servers.Program) error {
	ctx, cancel := context.WithTimeout(ctx, restartLimit)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		return err
	}
	if err := s.Cluster.Balancer().Await(ctx, n, false); err != nil {
		return err
	}
	if err := server.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return s.Cluster.Balancer().Await(ctx, n, true)
}

// maxTold is how many examples are told.
const maxTold = 3

// failedAttempt tells whether a call had no answer, or one that nothing was done and the client is to come again.
func failedAttempt(c *history.Call) bool {
	return c.Outcome == history.Broken || c.Outcome == history.Unavailable
}

// failures are how many attempts since a moment failed, and the requests of which two in a row did.
func failures(calls []history.Call, since time.Time) (failed int, twice []string) {
	for request, attempts := range history.ByRequest(calls) {
		inRow := 0
		for _, c := range attempts {
			if c.End.Before(since) || !failedAttempt(&c) {
				inRow = 0
				continue
			}
			failed++
			if inRow++; inRow == 2 && len(twice) < maxTold {
				twice = append(twice, fmt.Sprintf("%s of %s: %s %s %s", request.Kind, request.Buyer, c.Outcome, c.Code, c.Problem))
			}
		}
	}
	return failed, twice
}

// watchers follow a run over WebSockets, come back whenever one ends, and note how it ended.
type watchers struct {
	end  context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	codes map[websocket.StatusCode]int
	open  int
	err   error
}

func (s *Scene) openSockets(ctx context.Context) *watchers {
	w := &watchers{codes: map[websocket.StatusCode]int{}}
	ctx, w.end = context.WithCancel(ctx)
	server := s.Cluster.Balancer().Addr()
	for n := range sockets {
		run := s.Workload.Runs()[n%len(s.Workload.Runs())].ID
		w.done.Go(func() {
			for ctx.Err() == nil {
				w.follow(ctx, server, run)
				pause.For(ctx, derivedPoll)
			}
		})
	}
	return w
}

func (w *watchers) note(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

// follow follows until the socket ends. One that cannot be opened is no stream.
func (w *watchers) follow(ctx context.Context, server, run string) {
	body, err := load.SeatsOf(run)
	if err != nil {
		w.note(func() { w.err = err })
		return
	}
	const buffer = 4 << 10
	socket, err := load.OpenSocket(ctx, server, body, buffer)
	if err != nil {
		return
	}
	defer socket.Close()
	for first := true; ; first = false {
		if _, err = socket.Next(ctx); err != nil {
			break
		}
		if first {
			w.note(func() { w.open++ })
		}
	}
	if ctx.Err() == nil {
		w.note(func() { w.codes[websocket.CloseStatus(err)]++ })
	}
}

// await waits until each has had an event.
func (w *watchers) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restartLimit)
	defer cancel()
	for open := 0; open < sockets; {
		if !pause.For(ctx, derivedPoll) {
			return fmt.Errorf("%d of %d WebSockets have had an event", open, sockets)
		}
		w.note(func() { open = w.open })
	}
	return nil
}

func (w *watchers) close() error {
	w.end()
	w.done.Wait()
	return w.err
}

// serverBlackHoled lets everything vanish between the balancer and one server. No connection is closed. Those whose
// requests are there ask again, with their keys. Once the balancer leaves the server out, no request meets it.
func serverBlackHoled() Fault {
	return Fault{
		Name: "server_black_holed", Area: balancerArea, Shape: wayward, Lasts: wayLost, Alone: true, Slow: restartLimit,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			n := s.anyServer()
			way := s.Cluster.Balancer().Ways[n]
			since := time.Now()
			if err := way.Swallow(); err != nil {
				return nil, err
			}
			return func(ctx context.Context) (Injected, error) {
				healed := time.Now()
				up, down := way.Swallowed()
				way.Heal(ctx)
				proof := Injected{Facts: map[string]any{"bytes_to_server_lost": up, "bytes_from_server_lost": down}}
				calls := s.Workload.Log().Calls()
				failed, met := 0, 0
				for _, c := range calls {
					if c.Start.Before(since) || c.End.After(healed) || !failedAttempt(&c) {
						continue
					}
					if failed++; c.Start.Sub(since) > leftOut {
						met++
					}
				}
				placed, _, _ := orderTimes(calls, since)
				proof.Facts["attempts_failed"], proof.Facts["placed_meanwhile"] = failed, placed
				proof.Fired = failed > 0 && up > 0
				if met > 0 {
					proof.Broken = append(proof.Broken,
						fmt.Sprintf("%d requests met the silent server later than %v after", met, leftOut))
				}
				if placed == 0 {
					proof.Broken = append(proof.Broken, "nothing was sold meanwhile")
				}
				return proof, s.Cluster.Balancer().Await(ctx, n, true)
			}, nil
		},
	}
}
