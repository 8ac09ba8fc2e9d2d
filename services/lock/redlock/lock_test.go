package redlock_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/lock"
	"interlock/services/lock/redlock"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

const (
	run     = "T12@2019-10-12"
	key     = "interlock:lock:" + run
	patient = 10 * time.Second
	expiry  = time.Minute
)

// onNodes runs a test on 3 and 5 nodes of either kind.
func onNodes(t *testing.T, test func(t *testing.T, nodes []string)) {
	for _, n := range []int{3, 5} {
		t.Run(fmt.Sprintf("miniredis/%d", n), func(t *testing.T) { test(t, addrs(miniredises(t, n))) })
		t.Run(fmt.Sprintf("redis/%d", n), func(t *testing.T) {
			nodes := make([]string, n)
			for i := range nodes {
				nodes[i] = serverstest.NewRedis(t).Addr()
			}
			test(t, nodes)
		})
	}
}

func miniredises(t *testing.T, n int) []*miniredis.Miniredis {
	nodes := make([]*miniredis.Miniredis, n)
	for i := range nodes {
		nodes[i] = miniredis.RunT(t)
		nodes[i].ClockTTL(true)
	}
	return nodes
}

func addrs(nodes []*miniredis.Miniredis) []string {
	addrs := make([]string, len(nodes))
	for i, node := range nodes {
		addrs[i] = node.Addr()
	}
	return addrs
}

// hung accepts connections and never answers. It counts them.
func hung(t *testing.T) (addr string, connections *atomic.Int64) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	connections = &atomic.Int64{}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wait.Wait()
		for _, conn := range open {
			conn.Close()
		}
	})
	return listener.Addr().String(), connections
}

func newLock(t *testing.T, o redlock.Options) *redlock.Lock {
	l, err := redlock.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// calm is a lock on a machine so busy with other things that nothing may depend on how long it takes.
func calm(nodes []string) redlock.Options {
	return redlock.Options{Nodes: nodes, Expiry: expiry, NodeTimeout: patient}
}

// eventually is for what the lock does after its caller has gone.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patient, 2*time.Millisecond)
}

func acquire(t *testing.T, l *redlock.Lock) lock.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), run)
	require.NoError(t, err)
	return lease
}

func TestAcquire_OneHolder(t *testing.T) {
	onNodes(t, func(t *testing.T, nodes []string) {
		a, b := newLock(t, calm(nodes)), newLock(t, calm(nodes))
		lease := acquire(t, a)
		require.Greater(t, time.Until(lease.Until()), expiry/2)
		require.Less(t, time.Until(lease.Until()), expiry)

		_, err := b.Acquire(t.Context(), run)
		require.ErrorIs(t, err, lock.ErrTaken)
		_, err = a.Acquire(t.Context(), run)
		require.ErrorIs(t, err, lock.ErrTaken, "the same server's other worker is somebody else, too")
		other, err := b.Acquire(t.Context(), "another run")
		require.NoError(t, err)
		other.Release()

		lease.Release()
		acquire(t, b).Release()
		require.EqualValues(t, 1, a.Stats().Taken)
		require.EqualValues(t, 1, a.Stats().Acquired)
	})
}

func TestAcquire_ExpiryFrees(t *testing.T) {
	onNodes(t, func(t *testing.T, nodes []string) {
		short, long := calm(nodes), calm(nodes)
		short.Expiry, short.NodeTimeout = time.Second, time.Second/4
		a, b := newLock(t, short), newLock(t, long)
		var lease lock.Lease
		eventually(t, func() (ok bool) {
			var err error
			lease, err = a.Acquire(t.Context(), run)
			return err == nil
		})
		eventually(t, func() bool {
			_, err := b.Acquire(t.Context(), run)
			return err == nil
		})
		require.True(t, time.Now().After(lease.Until()), "the lock was given away before its holder let go of it")
	})
}

// One dead or hung node of three must cost less than a node's time-out: here that is so long that nobody can wait for
// it by accident.
func TestAcquire_OneBadNodeCostsNothing(t *testing.T) {
	hungAddr, _ := hung(t)
	closed := miniredis.RunT(t)
	deadAddr := closed.Addr()
	closed.Close()
	for name, bad := range map[string]string{"dead": deadAddr, "hung": hungAddr} {
		t.Run(name, func(t *testing.T) {
			l := newLock(t, calm(append(addrs(miniredises(t, 2)), bad)))
			start := time.Now()
			for range 50 {
				lease := acquire(t, l)
				require.NoError(t, lease.Extend(t.Context()))
				lease.Release()
			}
			require.Less(t, time.Since(start), patient)
			require.Zero(t, l.Stats().NoQuorum)
		})
	}
}

func TestAcquire_TakenThoughOneNodeIsDead(t *testing.T) {
	nodes := miniredises(t, 3)
	a, b := newLock(t, calm(addrs(nodes))), newLock(t, calm(addrs(nodes)))
	nodes[0].Close()
	lease := acquire(t, a)
	_, err := b.Acquire(t.Context(), run)
	require.ErrorIs(t, err, lock.ErrTaken)
	lease.Release()
	acquire(t, b).Release()
}

func TestAcquire_NoQuorum(t *testing.T) {
	for _, n := range []int{3, 5} {
		t.Run(fmt.Sprintf("dead/%d", n), func(t *testing.T) {
			nodes := miniredises(t, n)
			l := newLock(t, calm(addrs(nodes)))
			for _, node := range nodes[n/2:] {
				node.Close()
			}
			for range 5 {
				_, err := l.Acquire(t.Context(), run)
				require.ErrorIs(t, err, lock.ErrNoQuorum)
				require.NotErrorIs(t, err, lock.ErrTaken)
			}
			for _, node := range nodes[:n/2] {
				eventually(t, func() bool { return !node.Exists(key) })
			}
			require.EqualValues(t, 5, l.Stats().NoQuorum)
		})
	}
	t.Run("hung", func(t *testing.T) {
		first, _ := hung(t)
		second, _ := hung(t)
		node := miniredis.RunT(t)
		o := calm([]string{first, second, node.Addr()})
		o.NodeTimeout = 500 * time.Millisecond
		l := newLock(t, o)
		start := time.Now()
		for range 50 {
			_, err := l.Acquire(t.Context(), run)
			require.ErrorIs(t, err, lock.ErrNoQuorum)
		}
		require.Less(t, time.Since(start), patient, "nodes that hang are not waited for each time")
		eventually(t, func() bool { return !node.Exists(key) })
	})
	t.Run("one node says taken, and no other says anything", func(t *testing.T) {
		nodes := miniredises(t, 3)
		o := calm(addrs(nodes))
		acquire(t, newLock(t, o))
		nodes[0].Close()
		nodes[1].Close()
		_, err := newLock(t, o).Acquire(t.Context(), run)
		require.ErrorIs(t, err, lock.ErrNoQuorum, "one node that says taken is no majority")
	})
}

// Three who ask at once may get one node each. Nobody has the lock, and nothing may stay.
func TestAcquire_SplitVotes(t *testing.T) {
	nodes := miniredises(t, 3)
	require.NoError(t, nodes[0].Set(key, "somebody"))
	require.NoError(t, nodes[1].Set(key, "somebody else"))
	l := newLock(t, calm(addrs(nodes)))
	_, err := l.Acquire(t.Context(), run)
	require.ErrorIs(t, err, lock.ErrTaken)
	eventually(t, func() bool { return !nodes[2].Exists(key) })
	nodes[0].CheckGet(t, key, "somebody")
	nodes[1].CheckGet(t, key, "somebody else")
}

// slow makes a node keep every SET to itself until it is let go.
func slow(node *miniredis.Miniredis) (asked <-chan struct{}, letGo func()) {
	came, gate := make(chan struct{}, 100), make(chan struct{})
	node.Server().SetPreHook(func(_ *server.Peer, cmd string, _ ...string) bool {
		if cmd == "SET" {
			came <- struct{}{}
			<-gate
		}
		return false
	})
	return came, sync.OnceFunc(func() { close(gate) })
}

// A slow node must not keep a lock that nobody has any more: it would keep everybody else out until it expires.
func TestAcquire_SlowNodeKeepsNothing(t *testing.T) {
	t.Run("after the lock was taken by somebody else", func(t *testing.T) {
		nodes := miniredises(t, 3)
		o := calm(addrs(nodes))
		for _, node := range nodes[:2] {
			require.NoError(t, node.Set(key, "somebody"))
		}
		asked, letGo := slow(nodes[2])
		defer letGo()
		_, err := newLock(t, o).Acquire(t.Context(), run)
		require.ErrorIs(t, err, lock.ErrTaken)
		<-asked
		letGo()
		eventually(t, func() bool { return commands(nodes[2]) > 0 && !nodes[2].Exists(key) })
	})
	t.Run("after the lease was released", func(t *testing.T) {
		nodes := miniredises(t, 3)
		o := calm(addrs(nodes))
		asked, letGo := slow(nodes[2])
		defer letGo()
		acquire(t, newLock(t, o)).Release()
		<-asked
		letGo()
		eventually(t, func() bool { return commands(nodes[2]) > 0 && !nodes[2].Exists(key) })
	})
	t.Run("but it takes part in a lease that is held", func(t *testing.T) {
		nodes := miniredises(t, 3)
		o := calm(addrs(nodes))
		asked, letGo := slow(nodes[2])
		defer letGo()
		lease := acquire(t, newLock(t, o))
		<-asked
		letGo()
		eventually(t, func() bool { return nodes[2].Exists(key) })
		lease.Release()
		eventually(t, func() bool { return !nodes[2].Exists(key) })
	})
}

// freeze has a node do nothing until it is thawed, and then set the locks it was asked for meanwhile. Other questions
// get lost, as they do where a new connection is not even greeted.
func freeze(node *miniredis.Miniredis) (asked <-chan struct{}, thaw func()) {
	came, gate := make(chan struct{}, 100), make(chan struct{})
	node.Server().SetPreHook(func(_ *server.Peer, cmd string, _ ...string) bool {
		select {
		case <-gate:
			return false
		default:
		}
		switch cmd {
		case "HELLO":
			return false
		case "SET":
			came <- struct{}{}
			<-gate
			return false
		}
		<-gate
		return true
	})
	return came, sync.OnceFunc(func() { close(gate) })
}

// A node that was frozen does all that it had been sent, when it goes on: it sets locks that nobody has any more, and
// that would keep everybody out for as long as a lock lasts.
func TestAcquire_FrozenNodesKeepNothing(t *testing.T) {
	nodes := miniredises(t, 3)
	clock := &clock{}
	o := calm(addrs(nodes))
	o.NodeTimeout, o.Now = time.Second, clock.Now
	l := newLock(t, o)
	var thaws []func()
	var asked []<-chan struct{}
	for _, node := range nodes {
		came, thaw := freeze(node)
		defer thaw()
		thaws, asked = append(thaws, thaw), append(asked, came)
	}
	_, err := l.Acquire(t.Context(), run)
	require.ErrorIs(t, err, lock.ErrNoQuorum)
	for _, came := range asked {
		<-came
	}
	eventually(t, func() bool {
		for _, node := range l.Stats().Nodes {
			if !node.Down {
				return false
			}
		}
		return true
	})
	for i, thaw := range thaws {
		thaw()
		eventually(t, func() bool { return nodes[i].Exists(key) })
	}
	_, err = newLock(t, calm(addrs(nodes))).Acquire(t.Context(), run)
	require.ErrorIs(t, err, lock.ErrTaken, "by nobody")
	clock.Advance(time.Second)
	lease, err := l.Acquire(t.Context(), "another run") // the first question that is answered
	require.NoError(t, err)
	defer lease.Release()
	for _, node := range nodes {
		eventually(t, func() bool { return !node.Exists(key) })
	}
	acquire(t, l).Release()
}

// commands is how many scripts a node has run: the taking back is one.
func commands(node *miniredis.Miniredis) int {
	client := redis.NewClient(&redis.Options{
		Addr: node.Addr(), MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	defer client.Close()
	const redsyncs = "e950836ed1e694540c503ef9972b8de518044d3b"
	exists, err := client.ScriptExists(context.Background(), redsyncs, redlock.TakeBackHash).Result()
	if err != nil || !slices.Contains(exists, true) {
		return 0
	}
	return 1
}

func TestAcquire_CallerGoesAway(t *testing.T) {
	nodes := miniredises(t, 3)
	l := newLock(t, calm(addrs(nodes)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Acquire(ctx, run)
	require.ErrorIs(t, err, lock.ErrNoQuorum)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, l.Stats().NoQuorum, "it is not the nodes' fault")
	for _, node := range l.Stats().Nodes {
		require.Zero(t, node.Failures, "it is not the nodes' fault")
	}

	ctx, cancel = context.WithCancel(t.Context())
	lease, err := l.Acquire(ctx, run)
	require.NoError(t, err)
	cancel()
	lease.Release()
	for _, node := range nodes {
		eventually(t, func() bool { return !node.Exists(key) })
	}
}

func TestAcquire_Deadline(t *testing.T) {
	var nodes []string
	for range 3 {
		addr, _ := hung(t)
		nodes = append(nodes, addr)
	}
	l := newLock(t, calm(nodes))
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		start := time.Now()
		_, err := l.Acquire(ctx, run)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, lock.ErrNoQuorum)
		require.Less(t, time.Since(start), patient/2)
		cancel()
	}
	require.Zero(t, l.Stats().NoQuorum, "nobody waited for the nodes")
}

func TestExtend_KeepsTheLock(t *testing.T) {
	onNodes(t, func(t *testing.T, nodes []string) {
		l := newLock(t, calm(nodes))
		lease := acquire(t, l)
		defer lease.Release()
		until := lease.Until()
		require.NoError(t, lease.Extend(t.Context()))
		require.True(t, lease.Until().After(until))
		require.EqualValues(t, 1, l.Stats().Extended)
	})
}

func TestExtend_AfterLoss(t *testing.T) {
	t.Run("a majority has forgotten", func(t *testing.T) {
		nodes := miniredises(t, 3)
		l := newLock(t, calm(addrs(nodes)))
		lease := acquire(t, l)
		eventually(t, func() bool { return nodes[0].Exists(key) && nodes[1].Exists(key) && nodes[2].Exists(key) })
		nodes[0].FlushAll()
		require.NoError(t, lease.Extend(t.Context()), "two of three still have it")
		nodes[1].FlushAll()
		require.ErrorIs(t, lease.Extend(t.Context()), lock.ErrTaken)
		require.False(t, nodes[0].Exists(key), "what was lost is not taken anew")
		require.EqualValues(t, 1, l.Stats().Lost)
	})
	t.Run("a majority is dead", func(t *testing.T) {
		nodes := miniredises(t, 3)
		l := newLock(t, calm(addrs(nodes)))
		lease := acquire(t, l)
		nodes[0].Close()
		nodes[1].Close()
		require.ErrorIs(t, lease.Extend(t.Context()), lock.ErrNoQuorum)
		lease.Release()
	})
}

func TestRelease_OnlyItsOwn(t *testing.T) {
	onNodes(t, func(t *testing.T, nodes []string) {
		o := calm(nodes)
		a, b := newLock(t, o), newLock(t, o)
		late := acquire(t, a)
		for _, node := range nodes { // it expires, as far as the nodes are concerned
			client := redis.NewClient(&redis.Options{
				Addr: node, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
			})
			eventually(t, func() bool { return client.Del(t.Context(), key).Val() == 1 })
			require.NoError(t, client.Close())
		}
		lease := acquire(t, b)
		require.Error(t, late.Extend(t.Context()))
		late.Release()
		require.NoError(t, lease.Extend(t.Context()))
		_, err := a.Acquire(t.Context(), run)
		require.ErrorIs(t, err, lock.ErrTaken)
	})
}

func TestRelease_HungNodes(t *testing.T) {
	nodes := miniredises(t, 3)
	o := calm(addrs(nodes))
	o.NodeTimeout = time.Second
	lease := acquire(t, newLock(t, o))
	gate := make(chan struct{})
	defer close(gate)
	for _, node := range nodes {
		node.Server().SetPreHook(func(*server.Peer, string, ...string) bool {
			<-gate
			return true
		})
	}
	start := time.Now()
	lease.Release()
	require.Less(t, time.Since(start), patient)
}

// clock stands still until it is moved.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()) }
func (c *clock) Advance(d time.Duration) { c.now.Add(int64(d)) }

// With one node alone, nothing of an Acquire outlasts it but the taking back of what may have been set, which is the
// second question that fails.
func TestBreaker_OneProbeASecond(t *testing.T) {
	bad, connections := hung(t)
	clock := &clock{}
	l := newLock(t, redlock.Options{Nodes: []string{bad}, NodeTimeout: 300 * time.Millisecond, Now: clock.Now})
	acquires := func(n int) {
		for range n {
			_, err := l.Acquire(t.Context(), run)
			require.ErrorIs(t, err, lock.ErrNoQuorum)
		}
	}
	acquires(1)
	eventually(t, func() bool { return l.Stats().Nodes[0].Down })
	require.EqualValues(t, 2, l.Stats().Nodes[0].Failures)

	acquires(20)
	clock.Advance(time.Second - 1)
	acquires(20)
	require.EqualValues(t, 2, l.Stats().Nodes[0].Failures, "a node that is down is left alone")
	require.EqualValues(t, 40, l.Stats().Nodes[0].Skipped)
	require.LessOrEqual(t, connections.Load(), int64(2))

	clock.Advance(1)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := l.Acquire(t.Context(), run); !errors.Is(err, lock.ErrNoQuorum) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 3, l.Stats().Nodes[0].Failures, "one probe is enough")
	require.LessOrEqual(t, connections.Load(), int64(3))
	require.True(t, l.Stats().Nodes[0].Down)
}

// Taking back a lock that was never set is answered with "there is none", which is an answer and no failure.
func TestBreaker_AnswersAreNoFailures(t *testing.T) {
	nodes := miniredises(t, 1)
	l := newLock(t, calm(addrs(nodes)))
	for range 20 {
		nodes[0].Server().SetPreHook(func(peer *server.Peer, cmd string, _ ...string) bool {
			if cmd == "SET" {
				peer.Close()
			}
			return cmd == "SET"
		})
		_, err := l.Acquire(t.Context(), run)
		require.ErrorIs(t, err, lock.ErrNoQuorum)
		failures := l.Stats().Nodes[0].Failures
		nodes[0].Server().SetPreHook(nil)
		eventually(t, func() bool {
			lease, err := l.Acquire(t.Context(), run)
			if err == nil {
				lease.Release()
			}
			return err == nil
		})
		require.Equal(t, failures, l.Stats().Nodes[0].Failures)
	}
}

func TestBreaker_NodeComesBack(t *testing.T) {
	nodes := miniredises(t, 3)
	clock := &clock{}
	o := calm(addrs(nodes))
	o.Now = clock.Now
	l := newLock(t, o)
	nodes[2].Close()
	for range 3 { // two failures are enough, but one may be of a connection that is left over
		acquire(t, l).Release()
	}
	eventually(t, func() bool { return l.Stats().Nodes[2].Down })
	require.NoError(t, nodes[2].Restart())
	clock.Advance(time.Second)
	lease := acquire(t, l)
	eventually(t, func() bool { return nodes[2].Exists(key) })
	require.False(t, l.Stats().Nodes[2].Down)
	lease.Release()
}

// Servers that fight for one lock: never two at once, everybody gets it in the end, and nothing stays behind.
func TestAcquire_Contention(t *testing.T) {
	onNodes(t, func(t *testing.T, nodes []string) {
		const servers, turns = 4, 25
		var inside, done atomic.Int64
		var wait sync.WaitGroup
		start := time.Now()
		for range servers {
			l := newLock(t, calm(nodes))
			wait.Go(func() {
				for turn := 0; turn < turns; {
					lease, err := l.Acquire(t.Context(), run)
					if err != nil {
						if !assertTaken(t, err) {
							return
						}
						continue
					}
					if inside.Add(1) != 1 {
						t.Error("two hold the lock")
					}
					inside.Add(-1)
					lease.Release()
					turn++
					done.Add(1)
				}
			})
		}
		wait.Wait()
		require.EqualValues(t, servers*turns, done.Load())
		require.Less(t, time.Since(start), time.Minute/2, "a lock that was left behind kept everybody out")
		last := newLock(t, calm(nodes))
		eventually(t, func() bool {
			lease, err := last.Acquire(t.Context(), run)
			if err == nil {
				lease.Release()
			}
			return err == nil
		})
	})
}

func assertTaken(t *testing.T, err error) bool {
	if !errors.Is(err, lock.ErrTaken) {
		t.Errorf("%v", err)
		return false
	}
	return true
}

func TestNew_Refuses(t *testing.T) {
	for name, o := range map[string]redlock.Options{
		"no nodes":         {},
		"too many":         {Nodes: make([]string, 10)},
		"twice the same":   {Nodes: []string{"127.0.0.1:1", "redis://127.0.0.1:1"}},
		"not an address":   {Nodes: []string{"127.0.0.1"}},
		"not a URL":        {Nodes: []string{"redis://user:secret@%zz"}},
		"an expiry so low": {Nodes: []string{"127.0.0.1:1"}, Expiry: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := redlock.New(o)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}
