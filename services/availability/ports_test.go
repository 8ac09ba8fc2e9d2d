package availability_test

import (
	"interlock/services/audit"
	"interlock/services/availability"
	"interlock/services/gateway"
	"interlock/services/publish"
	"interlock/services/sale"
	"interlock/services/search"
	"interlock/services/watch"
)

var (
	_ sale.Availability    = (*availability.Cache)(nil)
	_ publish.Availability = (*availability.Cache)(nil)
	_ search.Availability  = (*availability.Cache)(nil)
	_ watch.Availability   = (*availability.Cache)(nil)
	_ audit.Cache          = (*availability.Cache)(nil)

	_ gateway.StreamTicketStore = (*availability.StreamTickets)(nil)
)
