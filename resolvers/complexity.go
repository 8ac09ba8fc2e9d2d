package resolvers

import (
	"interlock/graph"
	"interlock/services/rail"
)

// complexity is what lists cost: their page times what is asked of each element. Everything else costs one, and what it
// contains. What a list holds without being asked how many is taken at a usual size.
func complexity() graph.ComplexityRoot {
	const (
		usualCalls   = 10
		usualClasses = 4
		usualCoaches = 16
		usualSeats   = 80
		usualTickets = 3
	)
	var c graph.ComplexityRoot
	c.Query.Nodes = func(child int, ids []string) int { return len(ids) * (1 + child) }
	c.Query.Stations = func(child int, _ *string, first *int, _ *string) int { return page(child, first) }
	c.Query.SearchTickets = func(child int, _, _ []rail.StationCode, _ rail.Date, first *int, _ *string) int {
		return page(child, first)
	}
	c.Query.Runs = func(child int, _ graph.RunFilter, first *int, _ *string) int { return page(child, first) }
	c.Query.Orders = func(child int, _ graph.OrderFilter, first *int, _ *string) int { return page(child, first) }
	c.Viewer.Orders = func(child int, _ []rail.OrderState, first *int, _ *string) int { return page(child, first) }
	c.Run.Calls = func(child int) int { return usualCalls * (1 + child) }
	c.Run.Coaches = func(child int) int { return usualCoaches * (1 + child) }
	c.Coach.Seats = func(child int) int { return usualSeats * (1 + child) }
	c.Order.Tickets = func(child int) int { return usualTickets * (1 + child) }
	c.TicketOffer.Classes = func(child int) int { return usualClasses * (1 + child) }
	c.SeatAvailability.Classes = func(child int) int { return usualClasses * (1 + child) }
	return c
}

// page is the cost of a connection. A size out of bounds is refused when the field is resolved; here it must only not
// make the query look cheap.
func page(child int, first *int) int {
	size := maxPage
	if first != nil && *first > 0 && *first < maxPage {
		size = *first
	}
	return size * (1 + child)
}
