// Package watch is `lab watch`: thousands of subscribers follow one run while it is sold, half of them over server-sent
// events, half over WebSockets, and are held to promise 6: a subscriber sees versions go up only, and always reaches
// the last one; a slow one harms nobody else.
//
// They watch the leg that all orders of the sale cross (package background), so that each event says how many orders it
// shows, and a buyer's own clock how late it is. One of them stops reading on the way. At last all are cut off, and
// come back at once.
//
// It shares the machine with what it measures, so a subscriber is a goroutine that looks for two numbers in an event
// and notes them. What they mean is worked out afterwards.
package watch
