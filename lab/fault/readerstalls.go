package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"interlock/internal/pause"
	"interlock/lab/load"
)

const (
	// stallLast is until a server must have cut off a client that does not read: the 15 s in which a reader has to take
	// an event, and the time until nothing more fits on the way to it.
	stallLast = 22 * time.Second
	// stalledPerServer is how many do not read, at each server.
	stalledPerServer = 3
	// harmless is how late others may have 99 of 100 versions. harmlessBytes is what a server may grow by for each
	// client that does not read: a few of the largest events, and not all that come.
	harmless      = time.Second
	harmlessBytes = 16 << 20
	// arriveWait is for servers to have taken them in.
	arriveWait = 5 * time.Second
)

// readerStalls has some subscribers ask for the largest events there are, and read none.
func readerStalls() Fault {
	return Fault{
		Name: "reader_stalls", Area: cacheArea, Shape: ordinary, Lasts: stallLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			listener, err := s.listen(ctx)
			if err != nil {
				return nil, err
			}
			stalled := &stalledReaders{scene: s, listener: listener}
			end := func() error { return errors.Join(listener.close(), stalled.close()) }
			if err := stalled.come(ctx); err != nil {
				return nil, errors.Join(err, end())
			}
			return func(ctx context.Context) (Injected, error) { return stalled.proof(ctx), end() }, nil
		},
	}
}

// The servers' figures that show what became of readers.
const (
	subscribersFigure = "interlock_seat_subscribers"
	memoryFigure      = "process_resident_memory_bytes"
)

// stalledReaders are subscribers that read nothing, beside others that do.
type stalledReaders struct {
	scene    *Scene
	listener *listener
	conns    []net.Conn
	// before is how many subscribers the servers had without them, came how many with them, and bytes what they held.
	before, came, bytes float64
}

// come connects them, and waits until the servers have taken them in.
func (r *stalledReaders) come(ctx context.Context) error {
	s := r.scene
	r.before, r.bytes = s.sum(ctx, subscribersFigure), s.sum(ctx, memoryFigure)
	runs := s.Workload.Runs()
	for n, server := range s.Cluster.Servers() {
		for range stalledPerServer {
			conn, err := load.Stall(server.Addr(), runs[n%len(runs)].ID)
			if err != nil {
				return err
			}
			r.conns = append(r.conns, conn)
		}
	}
	r.came = r.before
	all := r.before + float64(len(r.conns))
	for limited := time.Now().Add(arriveWait); r.came < all && time.Now().Before(limited); {
		pause.For(ctx, derivedPoll)
		r.came = s.sum(ctx, subscribersFigure)
	}
	return nil
}

// proof shows that the servers have cut them off, and that others did not suffer, nor memory.
func (r *stalledReaders) proof(ctx context.Context) Injected {
	after, grown := r.scene.sum(ctx, subscribersFigure), r.scene.sum(ctx, memoryFigure)-r.bytes
	late := delays(r.listener.all(), r.scene.Workload.Log().Streams())
	proof := Injected{Fired: r.came > r.before && after <= r.before && len(late) > 0, Facts: map[string]any{
		"readers_stalled": r.came - r.before, "let_go": r.came - after, "servers_grown_bytes": grown,
		"versions_seen_by_others": len(late),
	}}
	if len(late) > 0 {
		p99 := late[len(late)*99/100]
		proof.Facts["others_p99_ms"] = p99.Milliseconds()
		proof.Facts["others_max_ms"] = late[len(late)-1].Milliseconds()
		if p99 > harmless {
			proof.Broken = append(proof.Broken, fmt.Sprintf("others had versions %v late", p99))
		}
	}
	if grown > float64(len(r.conns)*harmlessBytes) {
		proof.Broken = append(proof.Broken, fmt.Sprintf("the servers grew by %.0f MB", grown/(1<<20)))
	}
	return proof
}

func (r *stalledReaders) close() error {
	var errs []error
	for _, c := range r.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
