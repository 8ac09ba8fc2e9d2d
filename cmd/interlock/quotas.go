package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"slices"

	"interlock/services/gateway"
	"interlock/services/quota"
	"interlock/services/quota/redisquota"
	"interlock/services/rail"
)

// kinds are what the root fields are for. What is not here is for admins and inspectors where it changes something, and
// else a search.
var kinds = map[string]quota.Kind{
	"placeOrder": quota.Buying, "changeTicket": quota.Buying,
	"payOrder": quota.Paying, "cancelOrder": quota.Paying, "refundTickets": quota.Paying, "resendTicket": quota.Paying,
	"seatAvailability": quota.Watching, "orderChanged": quota.Watching, "createStreamTicket": quota.Watching,
}

// admission asks the quotas for an operation.
type admission struct {
	limiter *quota.Limiter
	// reads are the root fields that change nothing.
	reads map[string]bool
}

var _ gateway.Admission = (*admission)(nil)

// openAdmission makes the quotas of a server; nil where they are off.
func (s *Server) openAdmission(key []byte, log *slog.Logger, reads map[string]bool) (gateway.Admission, error) {
	policy, err := quota.Parse(s.settings.Quotas)
	if err != nil {
		return nil, err
	}
	if policy.Unbounded() {
		return nil, nil //nolint:nilnil // there are none
	}
	o := quota.Options{Policy: policy, Log: log, Digest: pseudonyms(deriveKey(key, "quotas"))}
	if !s.settings.embedded() {
		o.Store = redisquota.New(s.stores.client)
	}
	s.limiter = quota.New(o)
	return &admission{s.limiter, reads}, nil
}

// pseudonyms names clients and documents. Only who has the key can tell which name is whose. A keyed hash of one pass
// is enough: nothing is let in by it, and every order makes two.
func pseudonyms(key []byte) func(text string) string {
	return func(text string) string {
		const name = 16 // bytes: no two of all people have one
		sum := sha256.Sum256(append(slices.Clip(key), text...))
		return base64.RawURLEncoding.EncodeToString(sum[:name])
	}
}

// Admit implements gateway.Admission.
func (a *admission) Admit(ctx context.Context, o *gateway.AskedOperation) (gateway.Quota, error) {
	asked := quota.Asked{Client: quota.Client{Address: o.Address}, Count: map[quota.Kind]int{}}
	if viewer := rail.ViewerFrom(ctx); viewer != nil {
		asked.Client.Account = viewer.Subject
	}
	for _, field := range o.Fields {
		kind, known := kinds[field.Name]
		switch {
		case known:
		case a.reads[field.Name]:
			kind = quota.Searching
		default:
			kind = quota.Administering
		}
		asked.Count[kind]++
		if field.Name == "placeOrder" {
			asked.Documents = append(asked.Documents, documentsIn(field.Arguments())...)
		}
	}
	standing, err := a.limiter.Take(ctx, asked)
	return gateway.Quota{
		Name: standing.Name, Limit: standing.Rate.Burst, Window: standing.Rate.Window(), Left: standing.Left,
		Reset: standing.Reset,
	}, err
}

// documentsIn are the numbers of the documents in the arguments of placeOrder.
func documentsIn(arguments map[string]any) (numbers []string) {
	input, _ := arguments["input"].(map[string]any)
	passengers, _ := input["passengers"].([]any)
	for _, one := range passengers {
		passenger, _ := one.(map[string]any)
		if number, ok := passenger["documentNumber"].(string); ok {
			numbers = append(numbers, rail.NormalizeDocument(number))
		}
	}
	return numbers
}
