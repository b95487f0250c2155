import { useState } from "preact/hooks";
import { Refusal, signIn } from "./api";
import { say } from "./words";

/** Asks for the key, once, and gives it up for a cookie. */
export function Login() {
  const [fault, setFault] = useState("");
  async function submit(event: SubmitEvent) {
    event.preventDefault();
    const key = new FormData(event.currentTarget as HTMLFormElement).get("key") as string;
    try {
      await signIn(key.trim());
    } catch (error) {
      setFault(error instanceof Refusal && error.problem.status === 401 ? say("loginWrong") : String(error));
    }
  }
  return (
    <form class="card login" onSubmit={(event) => void submit(event)}>
      <h1>{say("loginTitle")}</h1>
      <p>{say("loginWhy")}</p>
      <label>
        {say("loginKey")}
        <input name="key" type="password" autocomplete="current-password" required aria-describedby="login-fault" />
      </label>
      <p id="login-fault" class="fault" role="alert">
        {fault}
      </p>
      <button class="primary">{say("loginButton")}</button>
    </form>
  );
}
