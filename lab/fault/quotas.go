package fault

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"interlock/internal/pause"
	"interlock/lab/fault/history"
	"interlock/lab/load"
	"interlock/services/quota"
)

const (
	// patientBuyers are so many that they sell enough, each far below any quota.
	patientBuyers = 200
	// robotHands is how many requests of the robot are under way, robotRest what each rests between two.
	robotHands, robotRest = 8, 5 * time.Millisecond
	// robotAlone is for how long the robot's quota is looked at before anything breaks.
	robotAlone = 3 * time.Second
	// robotSlack is what may be under way as the counts are read.
	robotSlack = robotHands
)

// robot asks for one account as often as it can, at all servers in turn.
type robot struct {
	given, refused atomic.Int64
	stop           context.CancelFunc
	done           sync.WaitGroup
}

// nowhere is an order that no server takes: it costs what any order does, and sells nothing.
const nowhere = `mutation($i:PlaceOrderInput!){placeOrder(input:$i){userErrors{code}}}`

func (s *Scene) openRobot(ctx context.Context) (*robot, error) {
	token, err := load.PassengerTokens(s.Cluster.Tokens())("robot")
	if err != nil {
		return nil, err
	}
	r := &robot{}
	ctx, r.stop = context.WithCancel(ctx)
	servers, run := s.Cluster.Servers(), s.Workload.Runs()[0].ID
	for hand := range robotHands {
		r.done.Go(func() {
			for n := hand; ctx.Err() == nil; n += robotHands {
				err := load.API{Server: servers[n%len(servers)].Addr(), Token: token}.Ask(ctx, nowhere, map[string]any{
					"i": map[string]any{
						"idempotencyKey": fmt.Sprintf("robot-%08d", n), "runId": run, "from": load.StationCode(0),
						"to": load.StationCode(0), "passengers": []any{map[string]any{
							"name": "Robot", "documentNumber": fmt.Sprintf("ROBOT%08d", n), "seatClass": load.Classes[0],
						}},
					},
				}, &struct{}{})
				switch {
				case err == nil:
					r.given.Add(1)
				case strings.Contains(err.Error(), "RATE_LIMITED"):
					r.refused.Add(1)
				}
				pause.For(ctx, robotRest)
			}
		})
	}
	return r, nil
}

func (r *robot) close() {
	r.stop()
	r.done.Wait()
}

// quotasAway has a robot ask beside patient buyers while something happens to the Redis that the quotas are in. Before
// and after, the robot has one quota; meanwhile it has at most one at each server. No patient buyer is refused.
func quotasAway(name string, f Fault) Fault {
	f.Name, f.Area, f.Alone, f.Buyers = name, quotasArea, true, patientBuyers
	f.Shape.Quotas = true
	inject := f.Inject
	f.Inject = func(ctx context.Context, s *Scene) (Heal, error) {
		one := quota.Default().Account[quota.Buying]
		// most is how many a quota gives within a time, where it was left alone before.
		most := func(d time.Duration) int64 { return int64(one.Burst) + int64(d/one.Every) + robotSlack }
		r, err := s.openRobot(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		pause.For(ctx, robotAlone)
		before, beforeMost := r.given.Load(), most(time.Since(begun))
		heal, err := inject(ctx, s)
		if err != nil {
			r.close()
			return heal, err
		}
		broke := time.Now()
		return func(ctx context.Context) (Injected, error) {
			meanwhile := r.given.Load() - before
			meanwhileMost := int64(len(s.Cluster.Servers())) * most(time.Since(broke))
			proof, err := heal(ctx)
			healed, then := time.Now(), r.given.Load()
			proof.Facts["robot_before"], proof.Facts["robot_before_at_most"] = before, beforeMost
			proof.Facts["robot_meanwhile"], proof.Facts["robot_meanwhile_at_most"] = meanwhile, meanwhileMost
			proof.Fired = proof.Fired && r.refused.Load() > 0 && before >= int64(one.Burst)
			if before > beforeMost || meanwhile > meanwhileMost {
				proof.Unsafe = append(proof.Unsafe, "the robot was given more than its quota")
			}
			s.later = append(s.later, func(context.Context) (wrong []string) {
				after, afterMost := r.given.Load()-then, most(time.Since(healed))+most(0)
				r.close()
				proof.Facts["robot_after"], proof.Facts["robot_after_at_most"] = after, afterMost
				if after > afterMost {
					wrong = append(wrong, "the robot was given more than its quota after the healing")
				}
				honest := slices.DeleteFunc(s.Workload.Log().Calls(), func(c history.Call) bool { return c.Code != "RATE_LIMITED" })
				if len(honest) > 0 {
					by := map[string]int{}
					for _, c := range honest {
						by[c.Buyer+" "+string(c.Kind)]++
					}
					proof.Facts["refused"] = by
					wrong = append(wrong, fmt.Sprintf("%d requests of patient clients were refused", len(honest)))
				}
				return wrong
			})
			return proof, err
		}, nil
	}
	return f
}

func quotasRedisKilled() Fault { return quotasAway("quotas_redis_killed", cacheKilled()) }

func quotasRedisHung() Fault { return quotasAway("quotas_redis_hung", cacheHung()) }

func quotasRedisFlushed() Fault { return quotasAway("quotas_redis_flushed", cacheFlushed()) }
