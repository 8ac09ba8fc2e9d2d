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

// diskFull fills the disk that the primary's binary log is on. MySQL waits for room then, and its commits with it. It
// runs and says that it is well, so the supervisor does not take over. With an even seed room is made, and within a
// minute the sale goes on where it was. With an odd seed the primary is ended, as one must be for which no room can be
// made, and another member takes its place.
func diskFull() Fault {
	return Fault{
		Name: "disk_full", Area: replicationArea, Shape: smallDisk,
		Lasts: 6 * time.Second, Slow: retryWait, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			f := &fullDisk{Scene: s}
			if err := f.inject(ctx); err != nil {
				return nil, err
			}
			return f.heal, nil
		},
	}
}

// fullDisk is a primary whose disk was full for a while.
type fullDisk struct {
	*Scene
	victim *servers.SQLServer
	// begun is when the disk was filled, full when commits had hung for a while, and done when buying could go on.
	begun, full, done time.Time
	// said is what MySQL said of the disk, placed how many orders were told of while it was full.
	said   string
	placed int
	// deleted tells that the primary was ended with its data, and not given room.
	deleted bool
	facts   map[string]any
}

func (f *fullDisk) inject(ctx context.Context) (err error) {
	if f.victim, err = primaryOf(ctx, f.Cluster); err != nil {
		return err
	}
	disk, err := f.victim.SmallDisk()
	if err != nil {
		return err
	}
	f.begun = time.Now()
	if err := disk.Fill(); err != nil {
		return errors.Join(err, disk.Free())
	}
	pause.For(ctx, hangs)
	f.full = time.Now()
	f.placed = f.Workload.Placed(f.begun.Add(hangs/2), "")
	if f.said, err = lastSaid(f.victim, diskFullSaid); err != nil {
		return errors.Join(err, disk.Free())
	}
	f.deleted, err = f.bury(f.victim)
	f.facts = map[string]any{"mysql_said": f.said, "placed_while_full": f.placed, "data_deleted": f.deleted}
	f.done = time.Now()
	if f.deleted {
		return err
	}
	if err := disk.Free(); err != nil {
		return err
	}
	f.done = time.Now()
	f.awaitSale(ctx)
	return nil
}

// awaitSale waits until the sale goes on on a disk with room again. The minute until then is MySQL's.
func (f *fullDisk) awaitSale(ctx context.Context) {
	for f.Workload.Placed(f.done, "") == 0 && time.Since(f.done) < retryWait && ctx.Err() == nil {
		pause.For(ctx, derivedPoll)
	}
	f.facts["went_on_seconds_after_room_was_made"] = time.Since(f.done).Seconds()
	f.done = time.Now()
}

func (f *fullDisk) heal(ctx context.Context) (Injected, error) {
	proof := Injected{}
	if f.deleted {
		proof = f.tookOver(ctx, f.victim, f.begun, f.done)
	} else {
		proof = f.resumed(ctx, f.begun, f.done)
	}
	maps.Copy(proof.Facts, f.facts)
	under := underway(f.Workload.Log().Calls(), "", f.full)
	_, replaced := proof.Facts["primary_is"]
	proof.Facts["calls_under_way"], proof.Fired = under, f.said != "" && under > 0 && replaced == f.deleted
	if f.placed > 0 {
		proof.Broken = append(proof.Broken,
			fmt.Sprintf("%d orders were acknowledged while the disk was full", f.placed))
	}
	return proof, nil
}

// lastSaid is the last line of a server's log with some text in it; "" without one.
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
