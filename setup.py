"""The one thing that pyproject.toml cannot say: where Comet will find our plugin.

Twisted looks for plugins in real directories only: Comet's own comet/plugins, and those on sys.path. The
finder of an editable install is neither, so a shim goes into site-packages, beside Comet's own plugins, as a
data file, which both kinds of install place and remove.
"""

from setuptools import Distribution, setup


class InstallData(Distribution().get_command_class("install_data")):
    """Data files go where modules go, whatever the Python, and not below the prefix."""

    def finalize_options(self):
        self.set_undefined_options("install", ("install_lib", "install_dir"))
        super().finalize_options()


class Project(Distribution):
    """A distribution whose data files are seen by editable installs, which ask for them under this name."""

    has_data = Distribution.has_data_files


setup(
    distclass=Project,
    cmdclass={"install_data": InstallData},
    data_files=[("comet/plugins", ["receivers/comet/plugins/ovro_relay.py"])],
    include_package_data=False,  # or the shim would be inside ovro_alert.receivers too
)
