package failpoints_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/cmd/interlock/failpoints"
	"interlock/services/notify"
	"interlock/services/rail"
)

// desk is a store of deliveries, a mailer and a poster that note what was asked of them.
type desk struct {
	notify.Store
	notify.Mailer
	notify.Poster
	post
}

func (d *desk) Write(_ context.Context, b notify.Batch) (notify.Written, error) {
	for range b.New {
		d.did("note")
	}
	for range b.Changes {
		d.did("change")
	}
	return notify.Written{Errs: make([]error, len(b.Changes))}, nil
}

func (d *desk) Mail(context.Context, *notify.Delivery, *notify.Order) notify.Outcome {
	d.did("mail")
	return notify.Outcome{State: notify.Sent}
}

func (d *desk) Post(context.Context, *notify.Delivery, *notify.Endpoint) notify.Outcome {
	d.did("post")
	return notify.Outcome{State: notify.Sent}
}

// tells takes a delivery past all the points.
func tells(ctx context.Context, o notify.Options, d notify.Delivery) {
	_, _ = o.Store.Write(ctx, notify.Batch{New: []notify.Delivery{d}})
	_, _ = o.Store.Write(ctx, notify.Batch{Changes: []notify.Change{{Delivery: d}}})
	o.Mailer.Mail(ctx, &d, nil)
	o.Poster.Post(ctx, &d, nil)
}

func TestNotifications_HeldAtEachPoint(t *testing.T) {
	steps := []string{"note", "change", "mail", "post"}
	done := map[failpoints.Point]int{
		failpoints.AfterDeliveryNote: 1, failpoints.BeforeMail: 2, failpoints.AfterMail: 3, failpoints.AfterPost: 4,
	}
	for _, point := range failpoints.NotifyPoints() {
		t.Run(string(point), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "control")
			control, err := failpoints.Listen(path, time.Minute)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, control.Close()) })
			d := &desk{}
			o := control.Notifications(notify.Options{Store: d, Mailer: d, Poster: d})
			held, by := d.holds(t, path, point, func() {
				tells(t.Context(), o, notify.Delivery{ID: "other", RunID: rail.RunID("T13@2019-10-12")})
				d.take()
				tells(t.Context(), o, notify.Delivery{ID: "one", OrderID: "order", RunID: run})
			})
			require.Equal(t, failpoints.Held{Point: point, Run: run, Order: "order", Delivery: "one"}, *held)
			require.Equal(t, steps[:done[point]], by)
		})
	}
}

// TestNotifications_OffStayOff keeps what is not told untold.
func TestNotifications_OffStayOff(t *testing.T) {
	o := (&failpoints.Control{}).Notifications(notify.Options{Store: &desk{}})
	require.Nil(t, o.Mailer)
	require.Nil(t, o.Poster)
}
