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
	// stallLast is until a server must have let go of who does not read: the 15 s in which a reader has to take an
	// event, and what it takes until nothing more fits on the way to him.
	stallLast = 22 * time.Second
	// stalledReaders is how many do not read, at each server.
	stalledReaders = 3
	// harmless is how late others may have 99 of 100 versions, and harmlessBytes what a server may grow by for one who
	// does not read: a few events as large as can be asked for, not all that come.
	harmless      = time.Second
	harmlessBytes = 16 << 20
	// arriveWait is for servers to have taken them in.
	arriveWait = 5 * time.Second
)

// readerStalls has some subscribers ask for the largest events there are, and read none.
func readerStalls() Fault {
	const figure, memory = "interlock_seat_subscribers", "process_resident_memory_bytes"
	return Fault{
		Name: "reader_stalls", Area: cacheArea, Shape: ordinary, Lasts: stallLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			store, err := openStore(s.Cluster)
			if err != nil {
				return nil, err
			}
			listener, err := store.listen(ctx, s)
			if err != nil {
				return nil, errors.Join(err, store.close())
			}
			var readers []net.Conn
			end := func() error {
				errs := []error{listener.close(), store.close()}
				for _, r := range readers {
					errs = append(errs, r.Close())
				}
				return errors.Join(errs...)
			}
			before, bytes := s.sum(ctx, figure), s.sum(ctx, memory)
			for n, server := range s.Cluster.Servers() {
				for range stalledReaders {
					r, err := load.Stall(server.Addr(), s.Workload.Runs()[n%len(s.Workload.Runs())].ID)
					if err != nil {
						return nil, errors.Join(err, end())
					}
					readers = append(readers, r)
				}
			}
			came := before
			for limited := time.Now().Add(arriveWait); came < before+float64(len(readers)) &&
				time.Now().Before(limited); {
				pause.For(ctx, derivedPoll)
				came = s.sum(ctx, figure)
			}
			return func(ctx context.Context) (Injected, error) {
				after, grown := s.sum(ctx, figure), s.sum(ctx, memory)-bytes
				late := delays(listener.all(), s.Workload.Log().Streams())
				proof := Injected{Fired: came > before && after <= before && len(late) > 0, Facts: map[string]any{
					"readers_stalled": came - before, "let_go": came - after, "servers_grown_bytes": grown,
					"versions_seen_by_others": len(late),
				}}
				if len(late) > 0 {
					p99 := late[len(late)*99/100]
					proof.Facts["others_p99_ms"], proof.Facts["others_max_ms"] = p99.Milliseconds(),
						late[len(late)-1].Milliseconds()
					if p99 > harmless {
						proof.Broken = append(proof.Broken, fmt.Sprintf("others had versions %v late", p99))
					}
				}
				if grown > float64(len(readers)*harmlessBytes) {
					proof.Broken = append(proof.Broken, fmt.Sprintf("the servers grew by %.0f MB", grown/(1<<20)))
				}
				return proof, end()
			}, nil
		},
	}
}
