package failpoints

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"interlock/services/rail"
)

// Hold waits until the server whose control is at path holds a batch of one of the runs at a point. The batch goes on
// when release is called, when this process ends, or when the limit is over.
func Hold(ctx context.Context, path string, point Point, runs []rail.RunID) (held *Held, release func(), err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, nil, fmt.Errorf("the server holds no batches; is it built with the tag fault? %w", err)
	}
	hangUp := sync.OnceFunc(func() { _ = conn.Close() })
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	held = &Held{}
	err = json.NewEncoder(conn).Encode(trap{Point: point, Runs: runs})
	if err == nil {
		err = json.NewDecoder(conn).Decode(held)
	}
	if err != nil {
		hangUp()
		return nil, nil, fmt.Errorf("no batch came by %s: %w", point, errors.Join(context.Cause(ctx), err))
	}
	return held, hangUp, nil
}
