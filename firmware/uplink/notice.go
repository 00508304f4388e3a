package uplink

import (
	"time"

	"github.com/courtside-edge/courtside/sync/wire"
)

// noticeLife is for how long a notice stands that is not repeated: the cloud says it once a minute while it sets aside what comes.
const noticeLife = 15 * time.Minute

// notice is what the cloud said last of what it sets aside, in this session and of the points in use: others may find the reason settled.
type notice struct {
	wire.Notice
	at time.Time
}

// noticed keeps what the cloud says, and logs what is new.
func (s *session) noticed(n wire.Notice) {
	if old := s.notice.Swap(&notice{n, time.Now()}); old == nil || old.Notice != n {
		s.u.log.Error("the cloud sets aside what this gateway sends; it is kept there, and does not count", "reason", n.Reason, "detail", n.Detail)
	}
}

// SetAside returns why the cloud sets aside what this gateway sends, as far as it said so lately; the zero Notice when it does not.
func (u *Uplink) SetAside() wire.Notice {
	s := u.present.Load()
	if s == nil {
		return wire.Notice{}
	}
	if n := s.notice.Load(); n != nil && time.Since(n.at) < noticeLife {
		return n.Notice
	}
	return wire.Notice{}
}
