// Package watch is `lab watch`: thousands of subscribers watch one run while it is sold, half of them over server-sent
// events, half over WebSockets. They hold the server to promise 6: a subscriber sees versions only rise, and always
// comes to the last one; a slow subscriber harms no other.
//
// They watch the leg that all orders of the sale cross (package background). So each event says how many orders it
// shows, and a buyer's clock says how late it is. One subscriber stops reading on the way. At last all are cut off, and
// come back at once.
//
// They share the machine with what they measure. So a subscriber is a goroutine that looks for two numbers in an event
// and notes them. What they mean is worked out afterwards.
package watch
