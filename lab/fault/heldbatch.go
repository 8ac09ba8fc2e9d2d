package fault

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// holdWait is how long it may take until a batch comes by a point. Every run has one under way nearly all the time,
// except for a few seconds after a server has died with its lock.
const holdWait = 10 * time.Second

// heldBatch is a batch that a server holds at an exact point, and what the rest of the cluster has of it just then.
type heldBatch struct {
	failpoints.Held
	Server string `json:"server"`
	// CallsUnderWay are those to the server that were not answered yet.
	CallsUnderWay int `json:"calls_under_way"`
	// OnPrimary and InRedis are the run's versions there.
	OnPrimary int64 `json:"version_on_primary"`
	InRedis   int64 `json:"version_in_redis"`
	// RowLocked tells whether a transaction has the run's row, LockNodes how many nodes have the run's lock.
	RowLocked bool `json:"row_locked"`
	LockNodes int  `json:"lock_nodes"`
	// SoldAgain is when another server sold the run again.
	SoldAgain float64 `json:"sold_again_seconds"`
}

// justNow is how long ago a server may have sold something to count as one that sells.
const justNow = time.Second

// sellingServer chooses one of the servers that sell: a client stays with the server it went to when another one died.
func (s *Scene) sellingServer() *servers.Program {
	selling := map[string]bool{}
	since := time.Now().Add(-justNow)
	for _, c := range s.Workload.Log().Calls() {
		if c.Kind == history.Place && c.Outcome == history.Done && c.End.After(since) {
			selling[c.Server] = true
		}
	}
	all := s.Cluster.Servers()
	busy := slices.DeleteFunc(slices.Clone(all), func(p *servers.Program) bool { return !selling[p.Addr()] })
	if len(busy) == 0 {
		busy = all
	}
	return busy[s.Random.IntN(len(busy))]
}

// hold has a server hold the next batch that comes by a point until release is called, and looks at it.
func (s *Scene) hold(
	ctx context.Context, victim *servers.Program, point failpoints.Point,
) (h *heldBatch, release func(), err error) {
	limited, cancel := context.WithTimeout(ctx, holdWait)
	defer cancel()
	held, release, err := failpoints.Hold(limited, s.Cluster.Control(victim), point, s.runIDs())
	if err != nil {
		return nil, nil, err
	}
	h = &heldBatch{Held: *held, Server: victim.Addr()}
	if err := h.look(ctx, s.Cluster); err != nil {
		release()
		return nil, nil, err
	}
	s.Log.Info("a batch is held", "batch", *h)
	return h, release, nil
}

// look asks the primary, Redis and the lock nodes.
func (h *heldBatch) look(ctx context.Context, c *cluster.Cluster) error {
	primary, err := primaryOf(ctx, c)
	if err != nil {
		return err
	}
	if h.OnPrimary, err = versionOn(ctx, primary, h.Run); err != nil {
		return err
	}
	var refused *mysql.MySQLError
	if _, err := ask(ctx, primary, versionQuery+" FOR UPDATE NOWAIT", string(h.Run)); errors.As(err, &refused) &&
		refused.Number == lockedNow {
		h.RowLocked = true
	} else if err != nil {
		return err
	}
	if h.InRedis, err = versionInRedis(ctx, c, h.Run); err != nil {
		return err
	}
	for _, node := range c.Locks {
		if value(ctx, node.Addr(), lockKey+string(h.Run)) != "" {
			h.LockNodes++
		}
	}
	return nil
}

// lockedNow is MySQL's error for a row that another transaction has locked.
const lockedNow = 3572

const versionQuery = "SELECT version FROM " + cluster.Database + ".runs WHERE id = ?"

// versionOn is a run's version on a member.
func versionOn(ctx context.Context, member *servers.SQLServer, run rail.RunID) (int64, error) {
	said, err := ask(ctx, member, versionQuery, string(run))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(said, 10, 64)
}

// fits tells whether the rest of the cluster is as it must be at the point.
func (h *heldBatch) fits(c *cluster.Cluster) bool {
	locked := h.LockNodes > len(c.Locks)/2
	switch h.Point {
	case failpoints.BeforeUpdate:
		return h.Orders > 0 && h.OnPrimary >= h.Read
	case failpoints.BeforeCommit:
		return h.Orders > 0 && h.OnPrimary == h.Read && h.RowLocked
	case failpoints.AfterCommit:
		return h.Orders > 0 && h.OnPrimary >= h.Made && h.Made == h.Read+1
	case failpoints.BeforeApply:
		return h.OnPrimary >= h.Made
	default:
		return locked
	}
}
