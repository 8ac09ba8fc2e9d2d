package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
)

const (
	// smallDiskBytes is what a few minutes of selling write several times over.
	smallDiskBytes = 256 << 20
	// hangs is for how long a full disk is looked at before anything is done about it.
	hangs = 4 * time.Second
	// retryWait is more than the minute in which MySQL looks whether a full disk has room again.
	retryWait = 65 * time.Second
	// diskFullSaid is how MySQL says it.
	diskFullSaid = "OS errno 28 - No space left on device"
)

// smallDisk is a supervised cluster whose first primary has its binary log on a disk that can be filled.
var smallDisk = Shape{Servers: 2, LockNodes: 3, Supervisors: 2, FirstDiskBytes: smallDiskBytes}

// diskFull fills the disk that the primary's binary log is on. MySQL waits for room then, and its commits with it: it
// is there, and says it is well, so nobody takes over. With an even seed room is made, and within a minute the sale
// goes on where it was. With an odd one somebody ends it, as he should who cannot make room, and another takes its
// place.
func diskFull() Fault {
	return Fault{
		Name: "disk_full", Area: replicationArea, Shape: smallDisk, Lasts: 6 * time.Second, Slow: retryWait,
		Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			disk, err := victim.SmallDisk()
			if err != nil {
				return nil, err
			}
			begun := time.Now()
			if err := disk.Fill(); err != nil {
				return nil, errors.Join(err, disk.Free())
			}
			pause.For(ctx, hangs)
			full := time.Now()
			placed := s.Workload.Placed(begun.Add(hangs/2), "")
			said, err := lastSaid(victim, diskFullSaid)
			if err != nil {
				return nil, errors.Join(err, disk.Free())
			}
			facts := map[string]any{"mysql_said": said, "placed_while_full": placed}
			deleted, err := s.bury(victim)
			if !deleted {
				err = disk.Free()
			}
			if err != nil {
				return nil, err
			}
			done := time.Now()
			if facts["data_deleted"] = deleted; !deleted {
				for s.Workload.Placed(done, "") == 0 && time.Since(done) < retryWait && ctx.Err() == nil {
					pause.For(ctx, derivedPoll)
				}
				facts["went_on_seconds_after_room_was_made"] = time.Since(done).Seconds()
				done = time.Now() // the minute until then is MySQL's
			}
			return func(ctx context.Context) (Injected, error) {
				proof := Injected{}
				if deleted {
					proof = s.tookOver(ctx, victim, begun, done)
				} else {
					proof = s.resumed(ctx, begun, done)
				}
				maps.Copy(proof.Facts, facts)
				under := underway(s.Workload.Log().Calls(), "", full)
				_, replaced := proof.Facts["primary_is"]
				proof.Facts["calls_under_way"], proof.Fired = under, said != "" && under > 0 && replaced == deleted
				if placed > 0 {
					proof.Broken = append(proof.Broken,
						fmt.Sprintf("%d orders were acknowledged while the disk was full", placed))
				}
				return proof, nil
			}, nil
		},
	}
}

// lastSaid is the last line of a server's log that has some text in it; "" where none has.
func lastSaid(server *servers.SQLServer, text string) (said string, err error) {
	log, err := os.ReadFile(server.LogPath())
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, text) {
			said = strings.TrimSpace(line)
		}
	}
	return said, nil
}
