"""The capital keys: what each is about on a screen, why it may be dim, and the offer it opens."""

from console.app import keys
from console.app.keys import Key
from console.context import ConsoleControls
from core.alerts import Alert, AlertState
from core.training.session import Desired, Phase, Session
from core.view.snapshot import Snapshot


class ChangingKeys:
    """Mixed into every screen. A screen says what is selected; nothing is changed here, only offered."""

    console_app: ConsoleControls

    @property
    def snapshot(self) -> Snapshot:
        """What is shown: the newest snapshot, or the frozen one."""
        return self.console_app.snapshot

    def selected_model(self) -> str | None:
        """Return the model that R and U are about."""
        return None

    def selected_version(self) -> tuple[str, str] | None:
        """Return the model and version that P is about."""
        return None

    def selected_alert(self) -> Alert | None:
        """Return the alert that K is about."""
        return None

    def selected_session(self) -> Session | None:
        """Return the session that H and S are about."""
        return self.snapshot.active_session()

    def refusal(self, key: Key) -> str | None:
        """Say why a key would do nothing now, or None."""
        if not key.writes:
            return None
        if (refused := self.console_app.refusal) is not None:
            return refused
        if key in (keys.PROMOTE, keys.CANARY) and self.selected_version() is None:
            return "No version is selected."
        if key in (keys.ROLL_BACK, keys.UNDO) and self.selected_model() is None:
            return "No model is selected."
        if key is keys.HOLD:
            session = self.selected_session()
            if session is None:
                return "There is no session; S starts one."
            if session.observed.phase is Phase.FINISHED:
                return f"{session.session_id} has finished; S starts a new one."
        if key is keys.ACKNOWLEDGE:
            alert = self.selected_alert()
            if alert is None:
                return "No alert is selected."
            if alert.state is not AlertState.FIRING:
                return f"This alert is {alert.state} already."
        return None

    def _may(self, key: Key) -> bool:
        refused = self.refusal(key)
        if refused is not None:
            self.console_app.say(refused, "warn")
        return refused is None

    def action_promote(self) -> None:
        """Offer the selected version's next stage."""
        selected = self.selected_version()
        if self._may(keys.PROMOTE) and selected is not None:
            self.console_app.changes.promote(*selected)

    def action_canary(self) -> None:
        """Offer to move some of the traffic to the selected version."""
        selected = self.selected_version()
        if self._may(keys.CANARY) and selected is not None:
            self.console_app.changes.start_rollout(*selected)

    def action_roll_back(self) -> None:
        """Offer the return of the selected model to its previous live version."""
        model = self.selected_model()
        if self._may(keys.ROLL_BACK) and model is not None:
            self.console_app.changes.roll_back(model)

    def action_undo(self) -> None:
        """Offer to take the selected model's last move back."""
        model = self.selected_model()
        if self._may(keys.UNDO) and model is not None:
            self.console_app.changes.undo(model)

    def action_hold(self) -> None:
        """Offer to hold the session, or to let it go on."""
        session = self.selected_session()
        if self._may(keys.HOLD) and session is not None:
            at_rest = session.desired is not Desired.RUNNING or session.observed.phase.is_at_rest
            self.console_app.changes.ask_session(session, Desired.RUNNING if at_rest else Desired.PAUSED)

    def action_start_stop(self) -> None:
        """Offer to stop the session at work, or to start a new one."""
        if not self._may(keys.START_STOP):
            return
        session = self.selected_session()
        if session is not None and not session.observed.phase.is_at_rest and session.desired is not Desired.STOPPED:
            self.console_app.changes.ask_session(session, Desired.STOPPED)
        else:
            self.console_app.changes.start_session()

    def action_acknowledge(self) -> None:
        """Offer to take the selected alert on."""
        alert = self.selected_alert()
        if self._may(keys.ACKNOWLEDGE) and alert is not None:
            self.console_app.changes.acknowledge(alert)
