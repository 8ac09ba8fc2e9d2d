package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/fault/check"
	"interlock/lab/fault/clients"
	"interlock/lab/fault/history"
	"interlock/lab/inbox"
	"interlock/resolvers"
	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/notify"
	"interlock/services/notify/sqlnotify"
	"interlock/services/rail"
)

// telling is a cluster whose buyers and partners are told.
var telling = Shape{Servers: 2, LockNodes: 3, MessagesApart: true, Notify: true}

const (
	// mailHang is longer than the half minute that the service waits for a mail server.
	mailHang = 36 * time.Second
	// hookHang is longer than the 20 s that it waits for a partner, and over before it has asked again, 5 s later.
	hookHang = 22 * time.Second
	// toldAtOnce is within what a buyer or partner is told, where another one hangs.
	toldAtOnce = 8 * time.Second
)

// notified compares what buyers and partners were told with what became true, until it fits, or its time is over.
func (p *play) notified(ctx context.Context, e *evidence, r *check.Result) error {
	store, err := openNotifications(ctx, p.cluster, e.primary)
	if err != nil {
		return err
	}
	defer store.Close()
	ids := append([]rail.RunID{p.quiet.RunID}, e.ids...)
	found, err := p.scene.log.Of(ctx, ids...)
	if err != nil {
		return err
	}
	snapshots, err := e.snapshots(ctx)
	if err != nil {
		return err
	}
	var told check.Result
	took, err := until(ctx, p.rest, check.NotifiedTime, func() (bool, error) {
		n, err := p.told(ctx, store)
		told = *r
		told.Examples, told.Figures = slices.Clone(r.Examples), nil
		if err == nil {
			check.Notifications(&told, n, found, snapshots, groups.InOrder)
		}
		return told.OK, err
	})
	if err != nil {
		return err
	}
	for name, value := range r.Figures {
		told.Figures[name] = value
	}
	*r = told
	r.Figures["all_told_after_rest_seconds"] = took.Seconds()
	return nil
}

// told are what came to buyers and partners, and what the service has noted of it.
func (p *play) told(ctx context.Context, store *sqlnotify.Store) (*check.Notified, error) {
	to := p.cluster.Notifications()
	n := &check.Notified{
		Mails: to.Mails.All(), Domain: clients.MailDomain(p.quiet.RunID), Types: cluster.ToldPartners,
		Address: func(o *ledger.WrittenOrder) string { return clients.Address(o.Buyer, o.Key, o.RunID) },
		Subject: func(e *ledger.Event) string {
			if e.OrderID != "" {
				return resolvers.OrderID(e.OrderID)
			}
			return resolvers.RunID(e.RunID)
		},
		Noted: map[string]bool{}, Kills: p.scene.notifyKills,
	}
	for i := range n.Mails {
		n.Noted[n.Mails[i].ID] = false
	}
	for _, partner := range to.Partners {
		all := partner.All()
		n.Partners = append(n.Partners, all)
		for i := range all {
			n.Noted[all[i].ID] = false
		}
	}
	var ids []string
	for id := range n.Noted {
		ids = append(ids, id)
	}
	for page := range slices.Chunk(ids, notify.MaxItems) {
		found, err := store.Deliveries(ctx, page)
		if err != nil {
			return nil, err
		}
		for i, d := range found {
			n.Noted[page[i]] = d != nil && d.State == notify.Sent
		}
	}
	return n, nil
}

// openNotifications opens the notifications' database on the member that is the primary.
func openNotifications(
	ctx context.Context, c *cluster.Cluster, primary *servers.SQLServer,
) (*sqlnotify.Store, error) {
	return sqlnotify.Open(ctx, sqlledger.Options{
		DSN: c.Members().DSN(primary, cluster.NotifyDatabase), ClusterDatabase: cluster.Database,
	})
}

// notifyKilled kills the service of notifications at every point, one after the other, and starts it again each time.
func notifyKilled() Fault {
	return Fault{
		Name: "notify_killed", Area: notifyArea, Shape: telling, Lasts: time.Second, Alone: true, Slow: check.NotifiedTime,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			return killEach(ctx, failpoints.NotifyPoints(), s.killNotifyAt) // C13 judges what became of each.
		},
	}
}

// notifyKill is the death of the service with a delivery in its hands, and how that stood just then.
type notifyKill struct {
	failpoints.Held
	// Noted tells whether the delivery is in the database, and Tries how often it was begun by then.
	Noted bool `json:"noted"`
	Tries int  `json:"tries"`
	// State is the delivery's, and Came how often the receiver has it.
	State notify.State `json:"state"`
	Came  int          `json:"came"`
}

// fits tells whether all was as it must be at the point. What is noted is begun at once, by another part of the
// service.
func (k *notifyKill) fits() bool {
	switch k.Point {
	case failpoints.AfterDeliveryNote:
		return k.Noted
	case failpoints.BeforeMail:
		return k.Noted && k.State == notify.Pending && k.Tries > 0 && k.Came == 0
	default:
		return k.Noted && k.State == notify.Pending && k.Tries > 0 && k.Came == 1
	}
}

// killNotifyAt kills the service when it holds a delivery at a point, and starts it again.
func (s *Scene) killNotifyAt(ctx context.Context, point failpoints.Point) (*notifyKill, error) {
	victim := s.Cluster.Notifications().Service
	_, held, release, err := s.holdFirst(ctx, []*servers.Program{victim}, point)
	if err != nil {
		return nil, err
	}
	defer release()
	k := &notifyKill{Held: *held}
	if err := k.look(ctx, s.Cluster); err != nil {
		return nil, err
	}
	s.Log.Info("a delivery is held", "delivery", *k)
	s.notifyKills++
	return k, errors.Join(victim.Kill(), victim.Start(context.WithoutCancel(ctx)))
}

// look asks the notifications' database and the receivers.
func (k *notifyKill) look(ctx context.Context, c *cluster.Cluster) error {
	primary, err := primaryOf(ctx, c)
	if err != nil {
		return err
	}
	store, err := openNotifications(ctx, c, primary)
	if err != nil {
		return err
	}
	defer store.Close()
	found, err := store.Deliveries(ctx, []string{k.Delivery})
	if err != nil {
		return err
	}
	if d := found[0]; d != nil {
		k.Noted, k.Tries, k.State = true, d.Tries, d.State
	}
	for _, m := range c.Notifications().Mails.All() {
		if m.ID == k.Delivery {
			k.Came++
		}
	}
	for _, partner := range c.Notifications().Partners {
		for _, w := range partner.All() {
			if w.ID == k.Delivery {
				k.Came++
			}
		}
	}
	return nil
}

// receiver is a mail server or a partner.
type receiver interface {
	Hang()
	GoOn()
	Held() int
}

// receiverHangs has a receiver hang. The others are told as usual, and the sale does not notice.
func receiverHangs(name string, lasts time.Duration, which func(*Scene) (receiver, *watched)) Fault {
	return Fault{
		Name: name, Area: notifyArea, Shape: telling, Lasts: lasts, Alone: true, Slow: check.NotifiedTime,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			one, others := which(s)
			since, before := time.Now(), one.Held()
			one.Hang()
			return func(context.Context) (Injected, error) {
				healed := time.Now()
				late, told := others.late(s.Workload.Log().Calls(), since, healed)
				one.GoOn()
				proof := Injected{Facts: map[string]any{
					"kept_waiting": one.Held() - before, "others_told": told, "others_told_late": late,
				}}
				proof.Fired = one.Held() > before && told > 0
				if late > 0 {
					proof.Broken = append(proof.Broken,
						fmt.Sprintf("%d of %d others were told later than %v after a payment", late, told, toldAtOnce))
				}
				s.later = append(s.later, func(context.Context) []string {
					proof.Facts["not_answered"] = unanswered(s.Cluster.Notifications())
					return orderedAtOnce(s.Workload.Log().Calls(), since, healed, proof.Facts)
				})
				return proof, nil
			}, nil
		},
	}
}

// watched are those who are told while another one hangs.
type watched struct {
	mails    *inbox.Mails
	partners []*inbox.Webhooks
}

// late is how many were told too late of orders that were paid within a time, and of how many.
func (w *watched) late(calls []history.Call, since, healed time.Time) (late, told int) {
	first := map[string]time.Time{}
	note := func(who string, one *inbox.Receipt) {
		if at, ok := first[who]; !ok || one.At.Before(at) {
			first[who] = one.At
		}
	}
	if w.mails != nil {
		for _, m := range w.mails.All() {
			note("mail "+m.To, &m.Receipt)
		}
	}
	for i, partner := range w.partners {
		for _, h := range partner.All() {
			note(fmt.Sprint(i, " ", h.Order), &h.Receipt)
		}
	}
	key := map[string]string{}
	for _, c := range calls {
		if c.Kind == history.Place && c.Order != nil {
			key[c.Order.Number] = clients.Address(c.Buyer, c.Key, c.Run)
		}
	}
	for _, c := range calls {
		if c.Kind != history.Pay || c.Outcome != history.Done || c.Start.Before(since) ||
			c.End.After(healed.Add(-toldAtOnce)) {
			continue
		}
		var names []string
		if to := key[c.Key]; w.mails != nil && to != "" {
			names = append(names, "mail "+to)
		}
		for i := range w.partners {
			names = append(names, fmt.Sprint(i, " ", c.Order.ID))
		}
		for _, who := range names {
			told++
			if at, ok := first[who]; !ok || at.Sub(c.End) > toldAtOnce {
				late++
			}
		}
	}
	return late, told
}

// unanswered is how much came whose sender did not wait for the answer.
func unanswered(n *cluster.Notifications) (all int) {
	for _, m := range n.Mails.All() {
		if !m.Answered {
			all++
		}
	}
	for _, partner := range n.Partners {
		for _, w := range partner.All() {
			if !w.Answered {
				all++
			}
		}
	}
	return all
}

// smtpHangs has the mail server hang, before it has heard of a mail and after.
func smtpHangs() Fault {
	return receiverHangs("smtp_hangs", mailHang, func(s *Scene) (receiver, *watched) {
		to := s.Cluster.Notifications()
		return to.Mails, &watched{partners: to.Partners}
	})
}

// webhookTargetHangs has one partner hang.
func webhookTargetHangs() Fault {
	return receiverHangs("webhook_target_hangs", hookHang, func(s *Scene) (receiver, *watched) {
		to := s.Cluster.Notifications()
		return to.Partners[0], &watched{mails: to.Mails, partners: to.Partners[1:]}
	})
}
