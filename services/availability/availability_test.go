package availability_test

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"interlock/cmd/lab/servers/serverstest"
	"interlock/services/availability"
	"interlock/services/availability/availabilitytest"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

func TestCache_Redis(t *testing.T) { availabilitytest.Run(t, serverstest.NewRedis(t)) }

func TestCache_Miniredis(t *testing.T) {
	m := miniredis.RunT(t)
	availabilitytest.Run(t, &inProcess{Miniredis: m, addr: m.Addr()})
}

// inProcess is a miniredis that can be killed; it forgets its address meanwhile.
type inProcess struct {
	*miniredis.Miniredis
	addr string
}

func (p *inProcess) Addr() string { return p.addr }

func (p *inProcess) FlushAll(context.Context) error {
	p.Miniredis.FlushAll()
	return nil
}

func (p *inProcess) Kill() error {
	p.Miniredis.FlushAll()
	p.Close()
	return nil
}

func (p *inProcess) Start(context.Context) error { return p.Restart() }

func connect(t testing.TB, addr string) redis.UniversalClient {
	client, err := availability.Connect(availability.Options{Addrs: []string{addr}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func someRun() *rail.Run {
	formation := rail.NewFormation([]rail.Coach{{Number: "3", SeatClass: rail.Second, Seats: []rail.Seat{{Label: "23B"}}}})
	calls := []rail.Call{{Station: "BJP"}, {Station: "SHH", ArrivalSeconds: 3_600}}
	train := rail.NewTrain("T12", "", "Asia/Shanghai", calls, formation, &rail.Fares{Currency: "CNY"})
	date := rail.NewDate(2019, 10, 12)
	return &rail.Run{ID: rail.NewRunID("T12", date), Train: train, Date: date}
}

func left(run *rail.Run, version int64) *rail.Availability {
	return &rail.Availability{
		RunID: run.ID, TrainID: run.Train.ID, Version: version, Status: rail.Published, Counts: []uint16{uint16(version)},
	}
}

// A Redis that accepts and never answers must not keep anybody beyond the deadline.
func TestCache_HungRedis(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var conns []net.Conn
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wait.Wait()
		for _, conn := range conns {
			conn.Close()
		}
	})

	cache := availability.New(connect(t, listener.Addr().String()))
	run := someRun()
	changes, err := cache.Listen(t.Context())
	require.NoError(t, err)
	defer changes.Close()
	for name, call := range map[string]func(context.Context) error{
		"Apply":   func(ctx context.Context) error { return cache.Apply(ctx, left(run, 1)) },
		"Replace": func(ctx context.Context) error { return cache.Replace(ctx, left(run, 1), 0) },
		"Load":    func(ctx context.Context) error { return cache.Load(ctx, []*rail.Availability{left(run, 1)}) },
		"Stored": func(ctx context.Context) error {
			_, err := cache.Stored(ctx, []*rail.Availability{left(run, 1)})
			return err
		},
		"Remaining": func(ctx context.Context) error {
			_, err := cache.Remaining(ctx, []rail.Ask{{Run: run, To: 1}})
			return err
		},
		"Announce":            func(ctx context.Context) error { return cache.Announce(ctx, rail.Change{RunID: run.ID}) },
		"AnnouncePublication": cache.AnnouncePublication,
		"Loaded": func(ctx context.Context) error {
			_, err := cache.Loaded(ctx)
			return err
		},
		"BeginLoad": func(ctx context.Context) error {
			_, err := cache.BeginLoad(ctx)
			return err
		},
		"MarkLoaded": func(ctx context.Context) error { return cache.MarkLoaded(ctx, "data") },
		"Ping":       cache.Ping,
		"Follow":     func(ctx context.Context) error { return changes.Follow(ctx, run.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			start := time.Now()
			require.Error(t, call(ctx))
			// The connection's own time-out is two seconds; so this was the deadline.
			require.Less(t, time.Since(start), time.Second)
		})
	}
}

// hung is a miniredis that takes connections and says nothing until it is told to thaw.
func hung(t *testing.T, m *miniredis.Miniredis) (thaw func()) {
	gate := make(chan struct{})
	thaw = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(thaw)
	m.Server().SetPreHook(func(*server.Peer, string, ...string) bool {
		<-gate
		return false
	})
	return thaw
}

// asking is a cache with a clock of its own, which is asked in two ways: a search is a pipeline, a look for the marker of a
// full load one command.
type asking struct {
	*availability.Cache
	now time.Time
}

func (a *asking) connect(t *testing.T, o availability.Options) {
	a.now = time.Now()
	o.Now = func() time.Time { return a.now }
	client, err := availability.Connect(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	a.Cache = availability.New(client)
}

func (a *asking) search(ctx context.Context, limit time.Duration, run *rail.Run) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := a.Remaining(ctx, []rail.Ask{{Run: run, To: 1}})
	return err
}

func (a *asking) look(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := a.Loaded(ctx)
	return err
}

const (
	// inVain is long enough for what gets no answer anyway, enough for what gets one.
	inVain = 20 * time.Millisecond
	enough = 20 * time.Second
)

func requireAsked(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.NotErrorIs(t, err, availability.ErrSilent)
}

// A Redis that hangs is asked only now and then: every question costs it a connection. That it is back is known by the
// next one.
func TestConnect_HungRedisIsLeftAlone(t *testing.T) {
	m, run := miniredis.RunT(t), someRun()
	var cache asking
	cache.connect(t, availability.Options{Addrs: []string{m.Addr()}})
	require.NoError(t, cache.search(t.Context(), enough, run))

	thaw := hung(t, m)
	for range 3 { // a moment's silence is none
		requireAsked(t, cache.search(t.Context(), inVain, run))
		cache.now = cache.now.Add(100 * time.Millisecond)
	}
	requireAsked(t, cache.look(t.Context(), inVain))
	for range 3 {
		for range 10 {
			require.ErrorIs(t, cache.look(t.Context(), enough), availability.ErrSilent)
			require.ErrorIs(t, cache.search(t.Context(), enough, run), availability.ErrSilent)
		}
		cache.now = cache.now.Add(250 * time.Millisecond)
		requireAsked(t, cache.search(t.Context(), inVain, run))
	}

	thaw()
	require.ErrorIs(t, cache.search(t.Context(), enough, run), availability.ErrSilent)
	cache.now = cache.now.Add(250 * time.Millisecond)
	for range 3 {
		require.NoError(t, cache.look(t.Context(), enough))
		require.NoError(t, cache.search(t.Context(), enough, run))
	}
}

// Of a Cluster, only the node that is silent is left alone.
func TestConnect_HungNodeOfACluster(t *testing.T) {
	nodes := []*miniredis.Miniredis{miniredis.RunT(t), miniredis.RunT(t)}
	for _, m := range nodes { // each says that the slots are divided between the two
		m.Server().SetPreHook(func(peer *server.Peer, cmd string, _ ...string) bool {
			if cmd != "CLUSTER" {
				return false
			}
			peer.Block(func(w *server.Writer) {
				w.WriteLen(len(nodes))
				for i, node := range nodes {
					w.WriteLen(3)
					w.WriteInt(i * 8_192)
					w.WriteInt(i*8_192 + 8_191)
					w.WriteLen(2)
					w.WriteBulk(node.Host())
					w.WriteInt(node.Server().Addr().Port)
				}
			})
			return true
		})
	}
	var cache asking
	cache.connect(t, availability.Options{Addrs: []string{nodes[0].Addr()}, Cluster: true})
	var on [2]*rail.Run // a run on each node
	for day := 0; on[0] == nil || on[1] == nil; day++ {
		run := someRun()
		run.Date = run.Date.AddDays(day)
		run.ID = rail.NewRunID("T12", run.Date)
		require.NoError(t, cache.Apply(t.Context(), left(run, 1)))
		for i, node := range nodes {
			if node.Exists("{" + string(run.ID) + "}:left") {
				on[i] = run
			}
		}
	}

	hung(t, nodes[1])
	for range 4 {
		requireAsked(t, cache.search(t.Context(), inVain, on[1]))
		require.NoError(t, cache.search(t.Context(), enough, on[0]))
		cache.now = cache.now.Add(100 * time.Millisecond)
	}
	for range 3 {
		require.ErrorIs(t, cache.search(t.Context(), enough, on[1]), availability.ErrSilent)
		require.NoError(t, cache.search(t.Context(), enough, on[0]))
	}
}

// An error is an answer, and who breaks a call off knows nothing of Redis.
func TestConnect_RedisThatAnswersIsAsked(t *testing.T) {
	m := miniredis.RunT(t)
	var cache asking
	cache.connect(t, availability.Options{Addrs: []string{m.Addr()}})

	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	m.SetError("ERR out of order")
	for range 3 {
		cache.now = cache.now.Add(time.Second)
		require.ErrorContains(t, cache.Ping(t.Context()), "out of order")
		require.ErrorContains(t, cache.Ping(t.Context()), "out of order")
	}
	for range 3 {
		cache.now = cache.now.Add(time.Second)
		require.ErrorIs(t, cache.Ping(gone), context.Canceled)
		require.ErrorIs(t, cache.Ping(gone), context.Canceled)
	}
}

// A connection on which nothing comes any more, though it can be written to, is given up.
func TestListen_SilentConnection(t *testing.T) {
	m := miniredis.RunT(t)
	cache := availability.New(connect(t, m.Addr()))
	cache.Heartbeat = 20 * time.Millisecond
	run := someRun()
	listener, err := cache.Listen(t.Context())
	require.NoError(t, err)
	defer listener.Close()
	require.NoError(t, listener.Follow(t.Context(), run.ID))

	thaw := hung(t, m)
	require.Eventually(t, func() bool { return cache.Stats().Disconnected > 0 }, enough, time.Millisecond)
	thaw()
	require.Equal(t, rail.Change{RunID: run.ID}, <-listener.Changes(), "it may have missed something")
	require.NoError(t, cache.Apply(t.Context(), left(run, 1)))
	for change := range listener.Changes() {
		if change.Version == 1 {
			break
		}
	}
}

func TestConnect_Refuses(t *testing.T) {
	for name, o := range map[string]availability.Options{
		"nothing":          {},
		"not an address":   {Addrs: []string{"localhost"}},
		"not a URL":        {Addrs: []string{"redis://user:secret@%zz"}},
		"a URL of several": {Addrs: []string{"redis://127.0.0.1:1", "127.0.0.1:2"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := availability.Connect(o)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestEmbedded_LocksExpire(t *testing.T) {
	embedded, err := availability.StartEmbedded()
	require.NoError(t, err)
	defer embedded.Close()
	require.NoError(t, availability.New(connect(t, embedded.Addr)).Ping(t.Context()))
	require.Len(t, embedded.LockAddrs, 3)
	for _, addr := range embedded.LockAddrs {
		client := connect(t, addr)
		require.True(t, client.SetNX(t.Context(), "lock", "mine", 30*time.Millisecond).Val())
		require.Eventually(t, func() bool {
			return client.SetNX(t.Context(), "lock", "yours", time.Minute).Val()
		}, 20*time.Second, time.Millisecond)
	}
}
