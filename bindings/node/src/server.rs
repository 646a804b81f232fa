//! The embedded server.

use crate::port::{Answer, Limits, Port, Promised, to_js};
use crate::settings::{Settings, read};
use ferromq::{Server, ServerOptions};
use napi::{Env, sys};
use napi_derive::napi;
use parking_lot::Mutex;

#[napi]
pub struct NativeServer {
    address: String,
    broker_address: String,
    server: Mutex<Option<Server>>,
    port: Port,
}

impl Answer for NativeServer {
    fn into_js(self, env: &Env) -> napi::Result<sys::napi_value> {
        to_js(env, self)
    }
}

#[napi]
impl NativeServer {
    #[napi]
    pub fn start(
        env: Env,
        port: &Port,
        directory: Option<String>,
        settings: Settings,
    ) -> napi::Result<Promised> {
        let handle = port.clone_handle();
        port.promise(&env, true, "starting a server", Limits::NONE, async move {
            let directory = directory.map(Into::into);
            let mut options = ServerOptions { directory, ..ServerOptions::default() };
            read(settings, &mut options.broker, &mut options.store)?;
            let server = Server::start_with(options).await?;
            Ok(NativeServer {
                address: server.address(),
                broker_address: server.broker_address(),
                server: Mutex::new(Some(server)),
                port: handle,
            })
        })
    }

    #[napi(getter)]
    pub fn address(&self) -> String {
        self.address.clone()
    }

    #[napi(getter)]
    pub fn broker_address(&self) -> String {
        self.broker_address.clone()
    }

    #[napi]
    pub fn close(&self, env: Env) -> napi::Result<Promised> {
        let server = self.server.lock().take();
        self.port.promise(&env, true, "closing", Limits::NONE, async move {
            if let Some(server) = server {
                server.close().await;
            }
            Ok(())
        })
    }
}

impl Drop for NativeServer {
    /// Collected or left behind by a worker: ended in the background, its directory removed.
    fn drop(&mut self) {
        if let Some(server) = self.server.get_mut().take()
            && let Ok(runtime) = ferromq::runtime()
        {
            runtime.spawn(server.close());
        }
    }
}
