package watch

import (
	"context"
	"strconv"

	"interlock/services/rail"
)

// orderWeight is what watching an order counts beside a pair of stations: it is read from the primary every five
// seconds.
const orderWeight = 10

// account is what a subscription is counted on. A viewer has one account. A client without a token has two: its stream,
// and its address.
type account struct {
	name  string
	limit int
	// refusal is how a refusal calls the account's owner.
	refusal string
}

// accountsOf are the accounts of a subscription's context; none for a call from inside the process, or where the bound
// is 0.
func (h *Hub) accountsOf(ctx context.Context) []account {
	var all []account
	add := func(name string, limit int, refusal string) {
		if limit > 0 {
			all = append(all, account{name, limit, refusal})
		}
	}
	if viewer := rail.ViewerFrom(ctx); viewer != nil {
		add("viewer "+viewer.Subject, h.MaxWatchedPerViewer, "you")
	} else if client, ok := rail.ClientFrom(ctx); ok {
		add("stream "+strconv.FormatUint(client.Stream, 10), h.MaxWatchedPerViewer, "this stream, which has no token,")
		add("address "+client.Address.String(), h.MaxWatchedPerAddress, "all without a token at your address")
	}
	return all
}

// charge counts a weight on all of some accounts, or on none where one of them has no room for it: then it is
// OVERLOADED. The mutex is held.
func (h *Hub) charge(accounts []account, weight int) *rail.Error {
	for _, a := range accounts {
		if watched := h.charged[a.name]; watched+weight > a.limit {
			err := rail.Refuse(rail.Overloaded,
				"%s may watch %d, counting 1 for each run between two stations and %d for an order; %d are watched, "+
					"and this is %d more: end other subscriptions first",
				a.refusal, a.limit, orderWeight, watched, weight)
			err.RetryAfter = retryAfter
			return err
		}
	}
	for _, a := range accounts {
		h.charged[a.name] += weight
	}
	return nil
}

// credit takes back what charge has counted. The mutex is held.
func (h *Hub) credit(accounts []account, weight int) {
	for _, a := range accounts {
		if h.charged[a.name] -= weight; h.charged[a.name] == 0 {
			delete(h.charged, a.name)
		}
	}
}
