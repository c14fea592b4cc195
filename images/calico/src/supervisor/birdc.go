package supervisor

import (
	"bufio"
	"context"
	"net"
	"strings"
	"time"
)

// sessions are the BGP sessions of this node: how many are established, and the peers of the others.
type sessions struct {
	Established int      `json:"established"`
	Total       int      `json:"total"`
	Down        []string `json:"down,omitempty"`
}

// birdSessions asks BIRD over its control socket.
func birdSessions(ctx context.Context) (sessions, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", birdControl)
	if err != nil {
		return sessions{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	lines := bufio.NewScanner(conn)
	if !lines.Scan() { // the greeting
		return sessions{}, lines.Err()
	}
	if _, err := conn.Write([]byte("show protocols\n")); err != nil {
		return sessions{}, err
	}
	var text []string
	for lines.Scan() {
		text = append(text, lines.Text())
		if strings.HasPrefix(lines.Text(), "0000") {
			break
		}
	}
	return parseProtocols(text), lines.Err()
}

// parseProtocols reads BIRD's table: name, type, table, state, since, and for BGP the session's state.
func parseProtocols(lines []string) sessions {
	var s sessions
	for _, line := range lines {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "1002-"), "1002 ")
		f := strings.Fields(line)
		if len(f) < 4 || f[1] != "BGP" {
			continue
		}
		s.Total++
		if strings.HasSuffix(strings.TrimSpace(line), "Established") {
			s.Established++
		} else {
			s.Down = append(s.Down, f[0])
		}
	}
	return s
}
