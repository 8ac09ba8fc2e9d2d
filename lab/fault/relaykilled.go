package fault

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/cmd/interlock/failpoints/effects"
	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/services/rail"
)

// eventsApart is a cluster whose events have a Redis of their own.
var eventsApart = Shape{Servers: 2, LockNodes: 3, MessagesApart: true}

const (
	// tellAgain is within what events must take effect again after a relay has died: another has its lock after 3 s,
	// and looks for it once a second.
	tellAgain = 10 * time.Second
	// settleLimit is within what an event must have taken effect that a dead consumer had. Another takes it over after
	// six seconds, and looks every two.
	settleLimit = 15 * time.Second
)

// relayKilled kills the server that relays events at every point, one after the other, and starts it again each time.
// The other must relay in its place.
func relayKilled() Fault {
	return Fault{
		Name: "relay_killed_at_each_point", Area: messagesArea, Shape: eventsApart, Lasts: time.Second, Alone: true,
		Slow: tellAgain,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			var kills []*relayKill
			for _, point := range failpoints.RelayPoints() {
				k, err := s.killRelayAt(ctx, point)
				if err != nil {
					return nil, err
				}
				kills = append(kills, k)
			}
			return func(context.Context) (Injected, error) {
				proof := Injected{Fired: true, Facts: map[string]any{}}
				for _, k := range kills {
					if k.ToldAgain == 0 {
						proof.Broken = append(proof.Broken,
							fmt.Sprintf("no event took effect within %v of the death at %s", tellAgain, k.Point))
					}
					proof.Facts[string(k.Point)] = k
					proof.Fired = proof.Fired && k.fits()
				}
				return proof, nil
			}, nil
		},
	}
}

// relayKill is a relay's death with events in its hands, and what the ledger and the stream had of them just then.
type relayKill struct {
	failpoints.Held
	Server string `json:"server"`
	// Taken is how often the row was taken, PublishedAs where it is by the ledger; "" for nowhere.
	Taken       int64  `json:"taken"`
	PublishedAs string `json:"published_as"`
	// InStream tells whether the stream has Entry.
	InStream bool `json:"in_stream"`
	// ToldAgain is how long it took until an event took effect that was made after the death; 0: too long.
	ToldAgain float64 `json:"told_again_seconds"`
}

// fits tells whether the ledger and the stream were as they must be at the point.
func (k *relayKill) fits() bool {
	switch k.Point {
	case failpoints.AfterTake:
		return k.Taken > 0 && k.PublishedAs == ""
	case failpoints.AfterAppend:
		return k.Taken > 0 && k.PublishedAs == "" && k.InStream
	default:
		return k.PublishedAs == k.Entry && k.InStream
	}
}

// killRelayAt kills the server whose relay comes by a point first, starts it again, and waits until events take effect
// again, or too long.
func (s *Scene) killRelayAt(ctx context.Context, point failpoints.Point) (*relayKill, error) {
	victim, held, release, err := s.holdFirst(ctx, s.Cluster.Servers(), point)
	if err != nil {
		return nil, err
	}
	defer release()
	k := &relayKill{Held: *held, Server: victim.Addr()}
	if err := k.look(ctx, s.Cluster); err != nil {
		return nil, err
	}
	s.Log.Info("a relay is held", "events", *k)
	killed := time.Now()
	if err := errors.Join(victim.Kill(), victim.Start(context.WithoutCancel(ctx))); err != nil {
		return nil, err
	}
	limited, cancel := context.WithDeadline(ctx, killed.Add(tellAgain))
	defer cancel()
	var at time.Time
	if s.awaitEffect(limited, func(e *effects.Effect) bool {
		at = e.At
		return e.Event.Time.After(killed)
	}) {
		k.ToldAgain = at.Sub(killed).Seconds()
	}
	return k, ctx.Err()
}

// look asks the primary and the stream.
func (k *relayKill) look(ctx context.Context, c *cluster.Cluster) error {
	primary, err := primaryOf(ctx, c)
	if err != nil {
		return err
	}
	said, err := ask(ctx, primary, "SELECT CONCAT(taken, ' ', stream_millis, '-', stream_seq) FROM "+
		cluster.Database+".outbox WHERE id = ?", k.Row)
	if err != nil {
		return fmt.Errorf("the row %s: %w", k.Row, err)
	}
	taken, place, _ := strings.Cut(said, " ")
	if place != "0-0" {
		k.PublishedAs = place
	}
	if k.Taken, err = strconv.ParseInt(taken, 10, 64); err != nil || k.Entry == "" {
		return err
	}
	client := redisAt(c.Messages.Addr())
	defer client.Close()
	found, err := client.XRange(ctx, eventStream, k.Entry, k.Entry).Result()
	k.InStream = len(found) > 0
	return err
}

// eventStream is the key of the stream of events.
const eventStream = "interlock:events"

// holdFirst has each of some processes hold what comes by a point, until one does. The others go on.
func (s *Scene) holdFirst(ctx context.Context, processes []*servers.Program, point failpoints.Point) (
	victim *servers.Program, held *failpoints.Held, release func(), err error,
) {
	limited, cancel := context.WithTimeout(ctx, holdWait)
	defer cancel()
	type caught struct {
		by      *servers.Program
		held    *failpoints.Held
		release func()
		err     error
	}
	all := make(chan caught, len(processes))
	for _, p := range processes {
		go func() {
			held, release, err := failpoints.Hold(limited, s.Cluster.Control(p), point, s.runIDs())
			all <- caught{p, held, release, err}
		}()
	}
	var errs []error
	for range processes {
		switch one := <-all; {
		case one.err != nil:
			errs = append(errs, one.err)
		case victim == nil:
			victim, held, release = one.by, one.held, one.release
			cancel()
		default:
			one.release()
		}
	}
	if victim == nil {
		return nil, nil, nil, errors.Join(errs...)
	}
	return victim, held, release, nil
}

func (s *Scene) runIDs() (ids []rail.RunID) {
	for _, run := range s.Workload.Runs() {
		ids = append(ids, run.RunID)
	}
	return ids
}
