// Package web is what a browser reaches: the page with the chat in it, the
// WebSocket that it talks through, and an echo to try a WebSocket client on. It
// promises that
//
//   - a page of another site, or a name that was made to point here (DNS
//     rebinding), gets no WebSocket: see Policy;
//   - the page runs nothing but its own script, and nothing that people say can
//     become script, style or a request;
//   - who connects and asks for nothing is gone after 5 seconds, and when there are
//     too many of them the oldest makes room for the newest;
//   - a connection that has become a WebSocket is handed on as it was accepted, and
//     none of net/http's memory stays with it.
//
// What is said on a WebSocket it does not know: that is the Relay's.
package web
