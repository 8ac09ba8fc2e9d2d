package sale_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

// corrector is a ledger that corrects names as a test says.
type corrector struct {
	*book
	asked []ledger.Correction
	err   error
}

func (c *corrector) Correct(_ context.Context, asked ledger.Correction) (*rail.Order, error) {
	c.asked = append(c.asked, asked)
	return &rail.Order{ID: asked.OrderID, RunID: c.run.ID, Version: 7}, c.err
}

func TestCorrectName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		options, l := w.options(sale.Settings{}), &corrector{book: w.book}
		options.Ledger = l
		service := sale.Open(options)
		t.Cleanup(func() { require.NoError(t, service.Close(context.Background())) })
		asked := ledger.Correction{
			OrderID: "an order", Ticket: 1, Name: " Li\u3000Wei ", By: "boss", Reason: " typing ",
		}

		_, err := service.CorrectName(t.Context(), ledger.Correction{OrderID: "an order", Name: "Li\u0007", By: "boss"})
		var wrong rail.Errors
		require.ErrorAs(t, err, &wrong)
		require.Len(t, wrong, 2, "the name and the reason")
		require.Empty(t, l.asked, "nothing is asked of the ledger")

		l.err = ledger.ErrInDoubt
		_, err = service.CorrectName(t.Context(), asked)
		require.Equal(t, rail.OrderPending, rail.CodeOf(err))
		l.err = errors.New("broken")
		_, err = service.CorrectName(t.Context(), asked)
		require.ErrorIs(t, err, l.err)
		synctest.Wait()
		require.Empty(t, w.board.announced, "nobody is told of what may not have taken place")

		l.err = nil
		order, err := service.CorrectName(t.Context(), asked)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []rail.Change{{RunID: order.RunID, OrderID: order.ID, Version: 7}}, w.board.announced)
		corrected := ledger.Correction{OrderID: "an order", Ticket: 1, Name: "Li Wei", By: "boss", Reason: "typing"}
		require.Equal(t, corrected, l.asked[2])
	})
}
