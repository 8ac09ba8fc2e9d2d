package availability_test

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
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
	formation := rail.NewFormation([]rail.Coach{{
		Number: "3", SeatClass: rail.Second,
		Seats: []rail.Seat{{Label: "23B"}},
	}})
	calls := []rail.Call{{Station: "BJP"}, {Station: "SHH", ArrivalSeconds: 3_600}}
	train := rail.NewTrain("T12", "", "Asia/Shanghai", calls, formation, &rail.Fares{Currency: "CNY"})
	date := rail.NewDate(2019, 10, 12)
	return &rail.Run{ID: rail.NewRunID("T12", date), Train: train, Date: date}
}

func left(run *rail.Run, version int64) *rail.Availability {
	return &rail.Availability{
		RunID: run.ID, TrainID: run.Train.ID, Version: version, Status: rail.Published,
		Counts: []uint16{uint16(version)},
	}
}

// A Redis that accepts and never answers does not keep a caller beyond the deadline.
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

	run := someRun()
	changes, err := availability.New(connect(t, listener.Addr().String())).Listen(t.Context())
	require.NoError(t, err)
	defer changes.Close()
	for name, call := range map[string]func(context.Context, *availability.Cache) error{
		"Apply": func(ctx context.Context, cache *availability.Cache) error { return cache.Apply(ctx, left(run, 1)) },
		"Replace": func(ctx context.Context, cache *availability.Cache) error {
			return cache.Replace(ctx, left(run, 1), 0)
		},
		"Load": func(ctx context.Context, cache *availability.Cache) error {
			return cache.Load(ctx, []*rail.Availability{left(run, 1)})
		},
		"Stored": func(ctx context.Context, cache *availability.Cache) error {
			_, err := cache.Stored(ctx, []*rail.Availability{left(run, 1)})
			return err
		},
		"Remaining": func(ctx context.Context, cache *availability.Cache) error {
			_, err := cache.Remaining(ctx, []rail.Ask{{Run: run, To: 1}})
			return err
		},
		"Announce": func(ctx context.Context, cache *availability.Cache) error {
			return cache.Announce(ctx, rail.Change{RunID: run.ID})
		},
		"AnnouncePublication": func(ctx context.Context, cache *availability.Cache) error {
			return cache.AnnouncePublication(ctx)
		},
		"Loaded": func(ctx context.Context, cache *availability.Cache) error {
			_, err := cache.Loaded(ctx)
			return err
		},
		"BeginLoad": func(ctx context.Context, cache *availability.Cache) error {
			_, err := cache.BeginLoad(ctx)
			return err
		},
		"MarkLoaded": func(ctx context.Context, cache *availability.Cache) error {
			return cache.MarkLoaded(ctx, "data")
		},
		"Ping":   func(ctx context.Context, cache *availability.Cache) error { return cache.Ping(ctx) },
		"Follow": func(ctx context.Context, _ *availability.Cache) error { return changes.Follow(ctx, run.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			// A client of its own, since none is let through for long.
			cache := availability.New(connect(t, listener.Addr().String()))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			start := time.Now()
			err := call(ctx, cache)
			// The connection's own time-out is two seconds; so this was the deadline.
			require.Less(t, time.Since(start), time.Second)
			require.Error(t, err)
			require.NotErrorIs(t, err, availability.ErrSilent)
		})
	}
}

// hang makes a miniredis take connections and say nothing to some commands, or to all, until it is told to thaw.
func hang(t *testing.T, m *miniredis.Miniredis, commands ...string) (thaw func()) {
	gate := make(chan struct{})
	thaw = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(thaw)
	m.Server().SetPreHook(func(_ *server.Peer, command string, _ ...string) bool {
		if len(commands) == 0 || slices.Contains(commands, command) {
			<-gate
		}
		return false
	})
	return thaw
}

// asking is a cache whose clock only the test moves, and whose connections are counted. It is asked in two ways: a
// search is a pipeline, a look for the marker of a full load one command.
type asking struct {
	*availability.Cache
	client redis.UniversalClient
	run    *rail.Run
	dials  dials

	mu  sync.Mutex
	now time.Time
}

func newAsking(t *testing.T, o availability.Options) *asking {
	a := &asking{run: someRun(), now: time.Now()}
	o.Now = a.clock
	client, err := availability.Connect(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	client.AddHook(&a.dials)
	a.client, a.Cache = client, availability.New(client)
	return a
}

func (a *asking) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *asking) pass(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = a.now.Add(d)
}

func (a *asking) search(ctx context.Context, limit time.Duration) error {
	return a.searchFor(ctx, limit, a.run)
}

func (a *asking) searchFor(ctx context.Context, limit time.Duration, run *rail.Run) error {
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

// fill makes that many connections, which are idle then.
func (a *asking) fill(t *testing.T, m *miniredis.Miniredis, connections int) {
	thaw := hang(t, m, "EXISTS")
	var looking sync.WaitGroup
	for range connections {
		looking.Go(func() { assert.NoError(t, a.look(t.Context(), enough)) })
	}
	require.Eventually(t, func() bool {
		return a.client.PoolStats().TotalConns == uint32(connections)
	}, enough, time.Millisecond)
	thaw()
	looking.Wait()
}

// dials counts attempts to connect, and can make them fail.
type dials struct {
	n    atomic.Int64
	fail atomic.Bool
}

func (d *dials) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		d.n.Add(1)
		if d.fail.Load() {
			return nil, errors.New("nobody says where Redis is")
		}
		return next(ctx, network, addr)
	}
}

func (d *dials) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (d *dials) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

const (
	// inVain is long enough for what gets no answer anyway, enough for what gets one.
	inVain = 20 * time.Millisecond
	enough = 20 * time.Second
)

// A Redis that hangs is asked only now and then: every question costs it a connection. That it is back is known by the
// first answer.
func TestConnect_HungRedisIsLeftAlone(t *testing.T) {
	m := miniredis.RunT(t)
	cache := newAsking(t, availability.Options{Addrs: []string{m.Addr()}})
	require.NoError(t, cache.search(t.Context(), enough))

	thaw := hang(t, m)
	require.NotErrorIs(t, cache.look(t.Context(), inVain), availability.ErrSilent)
	require.Eventually(t, func() bool {
		return errors.Is(cache.search(t.Context(), inVain), availability.ErrSilent)
	}, enough, time.Millisecond)
	for range 3 {
		dialled := cache.dials.n.Load()
		for range 10 {
			require.ErrorIs(t, cache.look(t.Context(), enough), availability.ErrSilent)
			require.ErrorIs(t, cache.search(t.Context(), enough), availability.ErrSilent)
		}
		require.Equal(t, dialled, cache.dials.n.Load())
		require.Eventually(t, func() bool { // Who has it asked does not wait for that.
			if cache.dials.n.Load() > dialled {
				return true
			}
			cache.pass(250 * time.Millisecond)
			return !errors.Is(cache.search(t.Context(), enough), availability.ErrSilent)
		}, enough, time.Millisecond)
		require.Equal(t, dialled+1, cache.dials.n.Load())
	}

	thaw()
	require.Eventually(t, func() bool {
		cache.pass(250 * time.Millisecond)
		return cache.search(t.Context(), enough) == nil
	}, enough, time.Millisecond)
	for range 3 {
		require.NoError(t, cache.look(t.Context(), enough))
		require.NoError(t, cache.search(t.Context(), enough))
	}
}

// A dead Redis, which refuses connections, is probed now and then like one that hangs.
func TestConnect_DeadRedisIsLeftAlone(t *testing.T) {
	m := miniredis.RunT(t)
	cache := newAsking(t, availability.Options{Addrs: []string{m.Addr()}})
	m.Close()
	require.Eventually(t, func() bool {
		return errors.Is(cache.search(t.Context(), enough), availability.ErrSilent)
	}, enough, time.Millisecond)
	next := func() time.Time {
		dialled := cache.dials.n.Load()
		require.Eventually(t, func() bool {
			cache.pass(10 * time.Millisecond)
			return errors.Is(cache.search(t.Context(), enough), availability.ErrSilent) &&
				cache.dials.n.Load() > dialled
		}, enough, time.Millisecond)
		return cache.clock()
	}
	before := next()
	for range 3 {
		now := next()
		require.Greater(t, now.Sub(before), 200*time.Millisecond)
		require.Less(t, now.Sub(before), time.Second)
		before = now
	}

	require.NoError(t, m.Restart())
	require.Eventually(t, func() bool {
		cache.pass(10 * time.Millisecond)
		return cache.search(t.Context(), enough) == nil
	}, enough, time.Millisecond)
}

// Callers in a hurry do not make a slow Redis a silent one.
func TestConnect_SlowRedisIsAsked(t *testing.T) {
	m := miniredis.RunT(t)
	cache := newAsking(t, availability.Options{Addrs: []string{m.Addr()}})
	hang(t, m, "GETRANGE")
	for range 20 {
		err := cache.search(t.Context(), inVain)
		require.Error(t, err)
		require.NotErrorIs(t, err, availability.ErrSilent)
		require.NoError(t, cache.look(t.Context(), enough))
		cache.pass(time.Second)
	}
}

// Connections that died without a word, as when a firewall has forgotten them, say nothing of Redis.
func TestConnect_DeadConnectionsAreNoSilence(t *testing.T) {
	const connections = 32
	m := miniredis.RunT(t)
	cache := newAsking(t, availability.Options{Addrs: []string{m.Addr()}, PoolSize: connections})
	cache.fill(t, m, connections)

	var alive sync.Map
	dead := make(chan struct{})
	t.Cleanup(func() { close(dead) })
	m.Server().SetPreHook(func(peer *server.Peer, command string, _ ...string) bool {
		if command == "HELLO" {
			alive.Store(peer, true)
		}
		if _, ok := alive.Load(peer); !ok {
			<-dead
		}
		return false
	})
	for range connections {
		require.NotErrorIs(t, cache.search(t.Context(), inVain), availability.ErrSilent)
		cache.pass(time.Second)
	}
	require.NoError(t, cache.search(t.Context(), enough))
}

// A Redis that takes no connection for as long as the breaker asks, and answers on those it has, is not silent.
func TestConnect_AnswersOnOldConnections(t *testing.T) {
	m := miniredis.RunT(t)
	cache := newAsking(t, availability.Options{Addrs: []string{m.Addr()}})
	cache.fill(t, m, 2)
	hang(t, m, "HELLO", "GETRANGE")
	require.Error(t, cache.search(t.Context(), inVain))
	for asked := time.Now(); time.Since(asked) < time.Second; {
		require.NoError(t, cache.look(t.Context(), enough))
	}
}

// A Redis that cannot be connected to, as when all Sentinels are gone, is asked on the connections there are.
func TestConnect_NobodyToConnectTo(t *testing.T) {
	m := miniredis.RunT(t)
	cache := newAsking(t, availability.Options{Addrs: []string{m.Addr()}})
	cache.fill(t, m, 3) // one that the search loses, one for the question, one to look
	hang(t, m, "GETRANGE")
	cache.dials.fail.Store(true)
	dialled := cache.dials.n.Load()
	require.Error(t, cache.search(t.Context(), inVain))
	require.Eventually(t, func() bool { return cache.dials.n.Load() > dialled }, enough, time.Millisecond)
	for range 100 {
		require.NoError(t, cache.look(t.Context(), enough))
	}
}

// Who listens connects all the same, and so may be the first to know that Redis is back.
func TestListen_WhileRedisIsLeftAlone(t *testing.T) {
	m := miniredis.RunT(t)
	cache := newAsking(t, availability.Options{Addrs: []string{m.Addr()}})
	thaw := hang(t, m)
	require.Eventually(t, func() bool {
		return errors.Is(cache.search(t.Context(), inVain), availability.ErrSilent)
	}, enough, time.Millisecond)
	thaw()
	listener, err := cache.Listen(t.Context())
	require.NoError(t, err)
	defer listener.Close()
	require.NoError(t, listener.Follow(t.Context(), cache.run.ID))
	require.NoError(t, cache.search(t.Context(), enough))
}

// ofTwoNodes is a Cluster of two nodes, and a run on each.
func ofTwoNodes(t *testing.T) (nodes []*miniredis.Miniredis, cache *asking, on [2]*rail.Run) {
	nodes = []*miniredis.Miniredis{miniredis.RunT(t), miniredis.RunT(t)}
	for _, m := range nodes { // each says that the slots are divided between the two
		m.Server().SetPreHook(func(peer *server.Peer, command string, _ ...string) bool {
			if command != "CLUSTER" {
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
	cache = newAsking(t, availability.Options{Addrs: []string{nodes[0].Addr()}, Cluster: true})
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
	return nodes, cache, on
}

// The versions of runs on several nodes of a Cluster come in the order they were asked for; -1 where a node says
// nothing.
func TestVersions_OfACluster(t *testing.T) {
	nodes, cache, on := ofTwoNodes(t)
	require.NoError(t, cache.Apply(t.Context(), left(on[0], 5)))
	require.NoError(t, cache.Apply(t.Context(), left(on[1], 7)))
	ids := []rail.RunID{on[1].ID, on[0].ID, "none@2019-10-12", on[1].ID}
	versions, err := cache.Versions(t.Context(), ids)
	require.NoError(t, err)
	require.Equal(t, []int64{7, 5, -1, 7}, versions)

	hang(t, nodes[1])
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), inVain)
		defer cancel()
		versions, err = cache.Versions(ctx, ids)
		return err == nil
	}, enough, time.Millisecond, "the others are asked once it is known that this one is silent")
	require.Equal(t, []int64{-1, 5, -1, -1}, versions)
	_, err = cache.Versions(t.Context(), ids[:1])
	require.ErrorIs(t, err, availability.ErrSilent, "nobody answered")
}

// Of a Cluster, only the node that is silent is left alone.
func TestConnect_HungNodeOfACluster(t *testing.T) {
	nodes, cache, on := ofTwoNodes(t)
	hang(t, nodes[1])
	require.Eventually(t, func() bool {
		return errors.Is(cache.searchFor(t.Context(), inVain, on[1]), availability.ErrSilent) &&
			cache.searchFor(t.Context(), enough, on[0]) == nil
	}, enough, time.Millisecond)
	for range 3 {
		require.ErrorIs(t, cache.searchFor(t.Context(), enough, on[1]), availability.ErrSilent)
		require.NoError(t, cache.searchFor(t.Context(), enough, on[0]))
	}
}

// An error is an answer, and a call that is broken off says nothing of Redis: neither of them starts a probe.
func TestConnect_RedisThatAnswersIsNotAskedMore(t *testing.T) {
	m := miniredis.RunT(t)
	cache := newAsking(t, availability.Options{Addrs: []string{m.Addr()}})
	require.NoError(t, cache.Ping(t.Context()))
	dialled := cache.dials.n.Load()

	m.SetError("ERR out of order")
	for range 50 {
		cache.pass(time.Second)
		require.ErrorContains(t, cache.Ping(t.Context()), "out of order")
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	for range 50 {
		cache.pass(time.Second)
		require.ErrorIs(t, cache.Ping(gone), context.Canceled)
	}
	m.SetError("")
	require.NoError(t, cache.Ping(t.Context()))
	require.Equal(t, dialled, cache.dials.n.Load())
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

	thaw := hang(t, m)
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
